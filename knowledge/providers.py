"""Configuration values -> the models behind LangChain's ports; the only file with model SDKs.

The SDK of a hosted model is imported when one is asked for: without a key nobody pays for it.
"""

from __future__ import annotations

import asyncio
import hashlib
import zlib
from collections import Counter
from enum import StrEnum
from typing import TYPE_CHECKING

import numpy as np
from langchain_core.embeddings import Embeddings

from knowledge.language import Language, plain

if TYPE_CHECKING:
    from langchain_core.language_models import BaseChatModel

LOCAL_DIMENSION = 256


class LocalEmbeddings(Embeddings):
    """Text -> unit vector of hashed character pairs, Latin words and everyday concepts.

    Deterministic, without download or network. Two texts are near when they share wording or
    one of the language's paraphrases; it knows no meaning beyond that.
    """

    def __init__(self, language: Language, dimension: int = LOCAL_DIMENSION) -> None:
        self._language = language
        self.dimension = dimension
        self.fingerprint = f"local-1-{dimension}-{language.fingerprint}"

    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        return [self.vector(text).tolist() for text in texts]

    def embed_query(self, text: str) -> list[float]:
        found: list[float] = self.vector(text).tolist()
        return found

    def vector(self, text: str) -> np.ndarray:
        """The embedding as float32, length 1 (all zero for a text without words)."""
        spelled = plain(text)
        asked = self._language.question_terms(spelled)
        terms = Counter(self._language.index_terms("|".join((*asked.runs, *asked.words))))
        for concept in asked.concepts:
            terms[concept] = 2
        if not terms:
            terms = Counter(self._language.index_terms(spelled))
        vector = np.zeros(self.dimension, dtype=np.float32)
        for term, count in terms.items():
            code = zlib.crc32(term.encode())
            weight = (0.35 if len(term) == 1 else 1.0) * count**0.5
            vector[code % self.dimension] += weight if code & 0x8000_0000 else -weight
        length = float(np.sqrt(vector @ vector))
        return vector / np.float32(length) if length else vector


def embeddings(
    kind: str,
    *,
    language: Language,
    model: str = "",
    base_url: str | None = None,
    api_key: str | None = None,
    timeout_seconds: float = 20.0,
) -> Embeddings:
    """`local`, or `openai` for any endpoint that speaks its protocol.

    Raises ValueError naming what is missing.
    """
    if kind == "local":
        return LocalEmbeddings(language)
    if kind != "openai":
        raise ValueError(f"embeddings {kind!r}: choose local or openai")
    if not model:
        raise ValueError("embeddings openai: name the model")
    if not api_key:
        raise ValueError("embeddings openai: a key is needed")
    from langchain_openai import OpenAIEmbeddings
    from pydantic import SecretStr

    return OpenAIEmbeddings(
        model=model, openai_api_base=base_url, openai_api_key=SecretStr(api_key),
        request_timeout=timeout_seconds, max_retries=2,
        # Other servers take text only; token ids are an OpenAI peculiarity.
        check_embedding_ctx_length=False,
    )  # fmt: skip


def fingerprint(model: Embeddings) -> str:
    """Names an embedding: vectors of different fingerprints are never compared."""
    own = getattr(model, "fingerprint", None)
    if own is not None:
        return str(own)
    told = "\0".join(
        str(getattr(model, name, "")) for name in ("model", "dimensions", "openai_api_base")
    )
    return f"{type(model).__name__}-{hashlib.sha256(told.encode()).hexdigest()[:12]}"


def chat_model(
    model: str,
    *,
    api_key: str | None,
    base_url: str | None = None,
    timeout_seconds: float = 20.0,
    max_output_tokens: int = 800,
    temperature: float = 0.0,
) -> BaseChatModel | None:
    """A chat model behind any endpoint that speaks OpenAI's protocol; None without model or key.

    Does not retry by itself: the answerer owns the time limit and decides what is worth repeating.
    """
    if not model or not api_key:
        return None
    from langchain_openai import ChatOpenAI
    from pydantic import SecretStr

    return ChatOpenAI(
        model=model, base_url=base_url, api_key=SecretStr(api_key), timeout=timeout_seconds,
        max_retries=0, temperature=temperature,
        max_completion_tokens=max_output_tokens, use_responses_api=False,
    )  # fmt: skip


class ModelFault(StrEnum):
    """Why a call to a model brought nothing usable."""

    UNAVAILABLE = "unavailable"
    TIMEOUT = "timeout"
    RATE_LIMITED = "rate_limited"
    REJECTED = "rejected"
    NONSENSE = "nonsense"

    @property
    def passes(self) -> bool:
        """Whether the same call may succeed a moment later."""
        return self in (ModelFault.UNAVAILABLE, ModelFault.RATE_LIMITED)


def fault(error: Exception) -> ModelFault:
    """What an exception from a model call means. What nobody foresaw is nonsense."""
    if isinstance(error, TimeoutError | asyncio.TimeoutError):
        return ModelFault.TIMEOUT
    if isinstance(error, ConnectionError):
        return ModelFault.UNAVAILABLE
    import openai

    match error:
        case openai.APITimeoutError():
            return ModelFault.TIMEOUT
        case openai.RateLimitError():
            return ModelFault.RATE_LIMITED
        case openai.APIConnectionError() | openai.InternalServerError():
            return ModelFault.UNAVAILABLE
        case openai.APIResponseValidationError():
            return ModelFault.NONSENSE
        case openai.APIStatusError():
            return ModelFault.REJECTED
        case _:
            return ModelFault.NONSENSE
