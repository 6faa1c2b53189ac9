-- A tag's version has one definition: a changed one has another number, so that the history says which of them made a value.
select
    tag_id,
    "version",
    count(*) as definitions
from catalogue.versions
group by tag_id, "version"
having count(*) > 1
order by tag_id, "version"
