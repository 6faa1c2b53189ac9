"""The judgement of what a language model wrote: every slot once, no number, no name, nothing that says the contrary of a fact."""

import re
import unicodedata

from portrait_assets.narration.facts import Told
from portrait_assets.reading.narrative import Language

SLOT = re.compile(r"\{([^{}]*)\}")
SENTENCE = re.compile(r"[^.!?。!?;;\n]+")
WORD = re.compile(r"[^\W_]+(?:['’-][^\W_]+)*")
LONGEST = 6  # times the drafts

NUMBER = re.compile(
    "(zero|one|two|three|four|five|six|seven|eight|nine|ten|eleven|twelve|thirteen|fourteen|fifteen|sixteen|seventeen|eighteen|nineteen|"
    "twenty|thirty|forty|fifty|sixty|seventy|eighty|ninety|hundred|thousand|million|billion|trillion|dozen)(s|th|ths|fold|some)?|"
    "(twent|thirt|fort|fift|sixt|sevent|eight|ninet)ie(s|th|ths)|half|halve[sd]?|quarters?|once|twice|thrice|doubled?|tripled?|couple|"
    "pair|percent|cents?|single|second|third|fifth|eighth|ninth|twelfth"
)
NUMBER_SIGNS = frozenset("零〇一二两三四五六七八九十百千万亿半双倍廿卅壹贰叁肆伍陆柒捌玖拾佰仟")
NEGATIONS = frozenset(
    [
        "no",
        "not",
        "never",
        "none",
        "nobody",
        "nothing",
        "neither",
        "nor",
        "without",
        "hardly",
        "rarely",
        "barely",
        "seldom",
        "cannot",
    ]
)
NEGATION_SIGNS = ("不", "没", "未", "无", "非", "别")
POLAR = {
    1: frozenset(
        [
            "active",
            "loyal",
            "engaged",
            "growing",
            "thriving",
            "valuable",
            "valued",
            "frequent",
            "regular",
            "devoted",
            "faithful",
            "strong",
            "healthy",
            "great",
            "excellent",
            "best",
            "good",
            "happy",
            "keen",
            "enthusiastic",
            "committed",
            "reliable",
            "promising",
            "rising",
            "important",
            "活跃",
            "忠诚",
            "忠实",
            "优质",
            "重要",
            "增长",
            "上升",
            "稳定",
            "积极",
            "热情",
            "健康",
            "良好",
            "优秀",
        ]
    ),
    -1: frozenset(
        [
            "lapsing",
            "lapsed",
            "lapse",
            "inactive",
            "dormant",
            "lost",
            "losing",
            "gone",
            "leaving",
            "declining",
            "decline",
            "fading",
            "weak",
            "poor",
            "risk",
            "risky",
            "churn",
            "churning",
            "churned",
            "disengaged",
            "disloyal",
            "infrequent",
            "bad",
            "worse",
            "worst",
            "falling",
            "dropping",
            "drifting",
            "slipping",
            "unlikely",
            "sadly",
            "unfortunately",
            "流失",
            "沉睡",
            "休眠",
            "下降",
            "减少",
            "风险",
            "冷淡",
            "低迷",
            "离开",
            "糟糕",
        ]
    ),
}
# A sentence may begin with one of these or a slot: whatever else is written large there may be a name.
BEGINNINGS = frozenset(
    [
        "this",
        "they",
        "their",
        "the",
        "a",
        "an",
        "and",
        "so",
        "of",
        "in",
        "on",
        "at",
        "with",
        "for",
        "to",
        "from",
        "by",
        "as",
        "when",
        "while",
        "since",
        "overall",
        "also",
        "most",
        "what",
        "who",
        "here",
        "it",
        "its",
        "these",
        "those",
        "that",
        "he",
        "she",
        "his",
        "her",
        "there",
        "among",
        "about",
        "over",
        "given",
        "first",
        "last",
        "today",
        "currently",
        "meanwhile",
        "moreover",
        "additionally",
        "furthermore",
        "finally",
        "customer",
        "user",
        "shopper",
        "attention",
        "having",
        "being",
        "looking",
        "according",
        "model",
        "our",
        "we",
    ]
)
# Chinese has no capitals to know a name by, so only these signs may stand around slots, beside those of the drafts.
ZH_SIGNS = frozenset(
    "的是了在和与及并且而也都还就其这那位个名该此一所以为于对从到被把将会能可以上下中里外前后时间天日年月目前今后同另此外总体来看来说"
    "讲整则用户客户顾客者人他她它们购物消费花费买关注最多主要方面部门品类模型预测显示表明给出认为属于来自曾已经过自起至近期最近以来"
    "根据据数据画像根此情况如现有其中包括以及更较很"
)


def complaint(text: str, facts: tuple[Told, ...], language: Language) -> str | None:
    """Why `text` can't be said of a portrait with these `facts`; None where it can."""
    slots = SLOT.findall(text)
    around = SLOT.sub(" ", text)
    if doubled := sorted({slot for slot in slots if slots.count(slot) > 1}):
        return f"the slot {{{doubled[0]}}} is doubled"
    if foreign := sorted(set(slots) - {fact.slot for fact in facts}):
        return f"the slot {{{foreign[0]}}} is foreign"
    if missing := [fact.slot for fact in facts if fact.slot not in slots]:
        return f"the slot {{{missing[0]}}} is missing"
    if "{" in around or "}" in around:
        return "a brace belongs to no slot"
    if len(text) > LONGEST * sum(len(fact.draft) for fact in facts):
        return "it is too long"
    return _number(around) or _name(text, facts, language) or _claim(text, facts)


def _number(around: str) -> str | None:
    for sign in around:
        if unicodedata.category(sign)[0] == "N" or sign in NUMBER_SIGNS or sign in "%‰$€£¥":
            return f"it writes the number or sign '{sign}'"
    for word in _words(around):
        if any(NUMBER.fullmatch(part) for part in word.split("-")):
            return f"it writes the number '{word}'"
    return None


def _name(text: str, facts: tuple[Told, ...], language: Language) -> str | None:
    if language == "zh":
        known = ZH_SIGNS.union(*(fact.draft for fact in facts))
        strange = next((sign for sign in SLOT.sub("", text) if sign.isalnum() and sign not in known), None)
        return f"it may name somebody: '{strange}'" if strange else None
    for sentence in SENTENCE.findall(text):
        begun = False
        for word in WORD.findall(SLOT.sub(" {} ", sentence)):
            is_large, begins = word != word.lower(), not begun and not sentence.lstrip().startswith("{")
            begun = True
            if not word.replace("’", "'").isascii():
                return f"it writes '{word}', which is no English"
            if is_large and not (begins and word[1:] == word[1:].lower() and word.lower() in BEGINNINGS):
                return f"it may name somebody: '{word}'"
    return None


def _claim(text: str, facts: tuple[Told, ...]) -> str | None:
    """A sentence has to state a fact, to negate nothing, and what it praises or regrets has to be good or bad news."""
    polarity = {fact.slot: fact.polarity for fact in facts}
    for sentence in SENTENCE.findall(text):
        told = [polarity[slot] for slot in SLOT.findall(sentence)]
        around = SLOT.sub(" ", sentence)
        if not around.strip() and not told:
            continue
        if not told and WORD.search(around):
            return f"it says what no slot says: '{sentence.strip()[:60]}'"
        words = _words(around)
        if negation := next((word for word in words if word in NEGATIONS or word.endswith(("n't", "n’t"))), None):
            return f"it negates: '{negation}'"
        if sign := next((sign for sign in NEGATION_SIGNS if sign in around), None):
            return f"it negates: '{sign}'"
        for side, polar in POLAR.items():
            said = next((word for word in polar if word in words or (not word.isascii() and word in around)), None)
            if said and (side not in told or -side in told):
                return f"'{said}' differs from what the portrait says"
    return None


def _words(text: str) -> list[str]:
    return [word.lower() for word in WORD.findall(text)]
