"""A sentence to a vector, by a BERT that others trained: WordPiece, encoder, mean over the words. Pure: tensors and vocabulary come in.

Devlin, Chang, Lee and Toutanova, NAACL 2019 (encoder, WordPiece); Reimers and Gurevych, EMNLP 2019 (mean of the last states).
"""

import unicodedata
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

MOST_PIECES = 128  # of one sentence, its two marks included; what is longer is cut
MOST_LETTERS = 100  # a longer word is unknown
AT_ONCE = 128
UNKNOWN, BEGIN, END = "[UNK]", "[CLS]", "[SEP]"


@dataclass(frozen=True)
class SentenceModel:
    """`tensors` as BERT names them, `vocabulary` piece -> row of the embedding."""

    tensors: dict[str, Tensor]
    vocabulary: dict[str, int]
    layers: int
    heads: int
    epsilon: float

    @torch.no_grad()
    def vectors(self, sentences: list[str]) -> np.ndarray:
        """(N, C) float32 of length one; sentences of like length are computed together, which moves last bits only."""
        pieces = [self.codes(sentence) for sentence in sentences]
        order = sorted(range(len(pieces)), key=lambda i: (len(pieces[i]), i))
        found = np.zeros((len(pieces), self.tensors["embeddings.LayerNorm.weight"].shape[0]), np.float32)
        for start in range(0, len(order), AT_ONCE):
            chosen = order[start : start + AT_ONCE]
            length = torch.tensor([len(pieces[i]) for i in chosen])
            codes = torch.zeros(len(chosen), int(length.max()), dtype=torch.int64)
            for row, i in enumerate(chosen):
                codes[row, : len(pieces[i])] = torch.tensor(pieces[i])
            found[chosen] = self.encoded(codes, torch.arange(codes.shape[1]) < length.unsqueeze(1)).numpy()
        return found

    def codes(self, sentence: str) -> list[int]:
        """Numbers of its pieces between the marks of begin and end."""
        pieces = [piece for word in words(sentence) for piece in self.pieces(word)][: MOST_PIECES - 2]
        return [self.vocabulary[piece] for piece in (BEGIN, *pieces, END)]

    def pieces(self, word: str) -> list[str]:
        """The longest beginning that is in the vocabulary, then the longest of the rest, …; unknown where some rest is in it nowhere."""
        found, start = [], 0
        while start < len(word) <= MOST_LETTERS:
            mark = "##" if start else ""
            end = next((e for e in range(len(word), start, -1) if mark + word[start:e] in self.vocabulary), None)
            if end is None:
                return [UNKNOWN]
            found.append(mark + word[start:end])
            start = end
        return found or [UNKNOWN]

    def encoded(self, codes: Tensor, told: Tensor) -> Tensor:  # (B, T) codes and whether there is one -> (B, C)
        x = self.tensors["embeddings.word_embeddings.weight"][codes]
        x = x + self.tensors["embeddings.token_type_embeddings.weight"][0]
        x = self.norm(x + self.tensors["embeddings.position_embeddings.weight"][: codes.shape[1]], "embeddings.LayerNorm")
        for k in range(self.layers):
            layer = f"encoder.layer.{k}."
            q, key, v = (self.split(self.linear(x, f"{layer}attention.self.{name}")) for name in ("query", "key", "value"))
            seen = F.scaled_dot_product_attention(q, key, v, attn_mask=told[:, None, None])  # (B, heads, T, C / heads)
            seen = self.linear(seen.transpose(1, 2).flatten(2), f"{layer}attention.output.dense")
            x = self.norm(x + seen, f"{layer}attention.output.LayerNorm")
            wide = F.gelu(self.linear(x, f"{layer}intermediate.dense"))
            x = self.norm(x + self.linear(wide, f"{layer}output.dense"), f"{layer}output.LayerNorm")
        mean = (x * told.unsqueeze(2)).sum(1) / told.sum(1, keepdim=True)
        return F.normalize(mean, dim=1)

    def split(self, x: Tensor) -> Tensor:  # (B, T, C) -> (B, heads, T, C / heads)
        return x.unflatten(2, (self.heads, -1)).transpose(1, 2)

    def linear(self, x: Tensor, name: str) -> Tensor:
        return F.linear(x, self.tensors[f"{name}.weight"], self.tensors[f"{name}.bias"])

    def norm(self, x: Tensor, name: str) -> Tensor:
        return F.layer_norm(x, x.shape[-1:], self.tensors[f"{name}.weight"], self.tensors[f"{name}.bias"], self.epsilon)


def words(sentence: str) -> list[str]:
    """In small letters without accents; each sign and each Chinese character is a word of its own."""
    plain = "".join(c for c in unicodedata.normalize("NFD", sentence.lower()) if unicodedata.category(c) != "Mn")
    spaced = (f" {c} " if is_sign(c) or "\u4e00" <= c <= "\u9fff" else c for c in plain)
    return "".join(spaced).split()


def is_sign(c: str) -> bool:
    """Punctuation, and all of ASCII that is printed and neither letter nor digit."""
    return unicodedata.category(c).startswith("P") or ("!" <= c <= "~" and not c.isalnum())
