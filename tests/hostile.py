"""Ids that break what does not expect them: addresses, markup, shells, HTML, SQL, CSV, terminals."""

IDS = (
    "a/b", "a/b/card", "/", "//", "..", ".", "../../card", "card", "a?b=c", "#", "a#b", "100%", "%2F", "%", "+49 30", "a+b", "a&b=c;d",
    "[/b]", "[bold]", "<b>", "</script><script>alert(1)</script>", "&amp;", "o'neill", '"', "'; drop table users; --", "a\\b", "|", "a|b",
    "\\|", "`rm`", "$(id)", "${HOME}", "-5", "--json", "=1+1", "@SUM(A1)", "{}", "{0}", "%s", "null", "NaN", "None", "0", "00", "-0", "1e3",
    "1_000", "true", "a\nb", "a\tb", "a\r\nb", "\x1b[31mred", "\u200b", "\u202eabc", "ß", "SS", "é", "e\u0301", "😀", "👩‍👩‍👧", "名前",
    "ann bob", "Ann", "ANN", "x" * 300, "😀" * 300, "live", "sales", "user_id", "*", "_", "a,b", "a;b", "~", "C:\\x", "a" * 1_000,
)  # fmt: skip
