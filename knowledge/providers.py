"""Configuration values -> the models behind LangChain's ports; the only file with model SDKs.

The SDK of a hosted model is imported when one is asked for: without a key nobody pays for it.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import zlib
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from enum import StrEnum
from importlib import import_module
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import numpy as np

from knowledge.egress import Guard, Unguarded
from knowledge.embedding import Embeddings
from knowledge.language import Language, plain

if TYPE_CHECKING:
    from langchain_core.language_models import BaseChatModel

LOCAL_DIMENSION = 256
OPENAI_HOST = "api.openai.com"
OPENAI_URL = f"https://{OPENAI_HOST}/v1"
# SDKs insist on a key; a server of one's own needs none.
_NO_KEY = "none"


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


class SentenceEmbeddings(Embeddings):
    """A sentence-transformers model on this machine; loaded when first used, takes seconds then."""

    def __init__(self, model: str) -> None:
        self._name = model
        self._model: Any = None
        self.fingerprint = (
            f"sentence-transformers-{hashlib.sha256(model.encode()).hexdigest()[:12]}"
        )

    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        if self._model is None:
            self._model = import_module("sentence_transformers").SentenceTransformer(self._name)
        vectors = self._model.encode(texts, normalize_embeddings=True, show_progress_bar=False)
        found: list[list[float]] = np.asarray(vectors, dtype=np.float32).tolist()
        return found

    def embed_query(self, text: str) -> list[float]:
        return self.embed_documents([text])[0]


def embeddings(
    kind: str,
    *,
    language: Language,
    model: str = "",
    base_url: str | None = None,
    api_key: str | None = None,
    timeout_seconds: float = 20.0,
    query_seconds: float = 2.5,
    guard: Guard | None = None,
    batch: int = 64,
) -> Embeddings:
    """`local`; `openai` for any endpoint that speaks its protocol; or `sentence-transformers`, a
    model on this machine (a folder, or a name that the library downloads once).

    A hosted one has `timeout_seconds` for documents and `query_seconds` for a question; it does
    not repeat a call by itself. Raises ValueError naming what is missing.
    """
    match kind:
        case "local":
            return LocalEmbeddings(language)
        case "sentence-transformers":
            if not model:
                raise ValueError("embeddings sentence-transformers: name the model or its folder")
            if not _installed("sentence_transformers"):
                raise ValueError(
                    "embeddings sentence-transformers: install the extra: "
                    'pip install "shequn[local-model]"'
                )
            return SentenceEmbeddings(model)
        case "openai":
            if not model:
                raise ValueError("embeddings openai: name the model")
            if not api_key and not base_url:
                raise ValueError("embeddings openai: a key is needed")
        case _:
            raise ValueError(f"embeddings {kind!r}: choose local, openai or sentence-transformers")
    from langchain_openai import OpenAIEmbeddings
    from openai import DefaultHttpxClient
    from pydantic import SecretStr

    from knowledge.guarded import GuardedEmbeddings

    hosted = OpenAIEmbeddings(
        model=model, openai_api_base=base_url or OPENAI_URL, openai_proxy="",
        openai_api_key=SecretStr(api_key or _NO_KEY), openai_organization=None,
        # Each call is one row of the record of what leaves; what failed is tried again later.
        request_timeout=timeout_seconds, max_retries=0,
        # Other servers take text only; token ids are an OpenAI peculiarity.
        check_embedding_ctx_length=False,
        http_client=DefaultHttpxClient(follow_redirects=False, timeout=timeout_seconds),
    )  # fmt: skip
    _deaf_to_environment(hosted.client, hosted.async_client)
    return GuardedEmbeddings(
        hosted, name=model, endpoint=endpoint_of(base_url), guard=guard or Unguarded(),
        batch=batch, query_seconds=query_seconds,
    )  # fmt: skip


def _deaf_to_environment(*resources: Any) -> None:
    """Take from OpenAI's clients what they read in the environment behind our back: whose
    organisation and project to name, and headers (even the key) to every endpoint whatsoever."""
    for resource in resources:
        client = resource._client
        client.organization = client.project = None
        client._custom_headers = {}
        client._ambient_authorizations = frozenset()


def _installed(package: str) -> bool:
    from importlib.util import find_spec

    return find_spec(package) is not None


def fingerprint(model: Embeddings) -> str:
    """Names an embedding: vectors of different fingerprints are never compared."""
    own = getattr(model, "fingerprint", None)
    if own is not None:
        return str(own)
    told = "\0".join(
        str(getattr(model, name, "")) for name in ("model", "dimensions", "openai_api_base")
    )
    return f"{type(model).__name__}-{hashlib.sha256(told.encode()).hexdigest()[:12]}"


def endpoint_of(base_url: str | None) -> str:
    """Host and port of an endpoint, as it is recorded: never a path, a user or a key."""
    parts = urlsplit(base_url or OPENAI_URL)
    port = f":{parts.port}" if parts.port else ""
    return f"{parts.hostname or ''}{port}"


def chat_model(
    model: str,
    *,
    api_key: str | None,
    base_url: str | None = None,
    timeout_seconds: float = 20.0,
    max_output_tokens: int = 800,
    temperature: float | None = 0.0,
    extra: Mapping[str, object] | None = None,
) -> BaseChatModel | None:
    """A chat model behind any endpoint that speaks OpenAI's protocol.

    None without a model's name, or without both a key and a `base_url`: a server of one's own may
    need no key. `extra` goes into every request as it is, for what one endpoint alone knows
    (`{"enable_thinking": false}`). Does not retry by itself and follows no redirect: whoever asks
    owns the time limit and decides what is worth repeating, and text goes nowhere else.
    """
    if not model or not (api_key or base_url):
        return None
    from langchain_openai import ChatOpenAI
    from openai import DefaultAsyncHttpxClient
    from pydantic import SecretStr

    hosted_by_openai = endpoint_of(base_url) == OPENAI_HOST
    # Only OpenAI itself knows the newer name of this limit; the others know the older.
    older = {} if hosted_by_openai else {"max_tokens": max_output_tokens}
    chat = ChatOpenAI(
        model=model, base_url=base_url or OPENAI_URL, api_key=SecretStr(api_key or _NO_KEY),
        openai_proxy="", timeout=timeout_seconds, max_retries=0, temperature=temperature,
        use_responses_api=False,
        max_completion_tokens=max_output_tokens if hosted_by_openai else None,
        extra_body={**older, **(extra or {})} or None,
        http_async_client=DefaultAsyncHttpxClient(follow_redirects=False, timeout=timeout_seconds),
    )  # fmt: skip
    _deaf_to_environment(chat.client, chat.async_client)
    return chat


@dataclass(frozen=True, kw_only=True)
class Perceived:
    """What a model heard or saw, and what it cost where the endpoint told."""

    text: str
    input_tokens: int | None = None
    output_tokens: int | None = None


class MediaModel:
    """One model for speech or pictures behind an endpoint that speaks OpenAI's protocol; raises
    what `fault` understands. Retries nothing and follows no redirect."""

    def __init__(
        self, name: str, *, api_key: str | None, base_url: str | None = None,
        timeout_seconds: float = 30.0,
    ) -> None:  # fmt: skip
        from openai import AsyncOpenAI, DefaultAsyncHttpxClient

        self.name = name
        self.endpoint = endpoint_of(base_url)
        self._client = AsyncOpenAI(
            api_key=api_key or _NO_KEY, base_url=base_url or OPENAI_URL,
            timeout=timeout_seconds, max_retries=0,
            http_client=DefaultAsyncHttpxClient(follow_redirects=False, timeout=timeout_seconds),
        )  # fmt: skip
        _deaf_to_environment(self._client.chat)

    async def transcribe(self, audio: bytes, *, name: str, media_type: str) -> Perceived:
        """The words of a recording; `name` has the ending that tells its format."""
        heard = await self._client.audio.transcriptions.create(
            model=self.name, file=(name, audio, media_type), response_format="json"
        )
        used = getattr(heard, "usage", None)
        return Perceived(
            text=heard.text or "",
            input_tokens=getattr(used, "input_tokens", None),
            output_tokens=getattr(used, "output_tokens", None),
        )

    async def describe(
        self, image: bytes, *, media_type: str, prompt: str, most_tokens: int
    ) -> Perceived:
        """What a picture shows, as `prompt` asks for it."""
        told = f"data:{media_type};base64,{base64.b64encode(image).decode()}"
        named = "max_completion_tokens" if self.endpoint == OPENAI_HOST else "max_tokens"
        seen = await self._client.chat.completions.create(
            model=self.name, extra_body={named: most_tokens},
            messages=[
                {"role": "system", "content": prompt},
                {"role": "user", "content": [{"type": "image_url", "image_url": {"url": told}}]},
            ],
        )  # fmt: skip
        used = seen.usage
        return Perceived(
            text=seen.choices[0].message.content or "",
            input_tokens=used.prompt_tokens if used else None,
            output_tokens=used.completion_tokens if used else None,
        )


def media_model(
    name: str, *, api_key: str | None, base_url: str | None = None, timeout_seconds: float = 30.0
) -> MediaModel | None:
    """A model for speech or pictures; None without a name, or without both key and `base_url`."""
    if not name or not (api_key or base_url):
        return None
    return MediaModel(name, api_key=api_key, base_url=base_url, timeout_seconds=timeout_seconds)


class ModelFault(StrEnum):
    """Why a call to a model brought nothing usable."""

    UNAVAILABLE = "unavailable"
    TIMEOUT = "timeout"
    RATE_LIMITED = "rate_limited"
    REJECTED = "rejected"  # a bad key, an unknown model: it will not heal by itself
    UNFIT = "unfit"  # this request, or this way of asking, is not taken
    NONSENSE = "nonsense"
    BUDGET = "budget"  # today's budget is spent
    WITHHELD = "withheld"  # the text may not leave

    @property
    def passes(self) -> bool:
        """Whether the same call may succeed a moment later."""
        return self in (ModelFault.UNAVAILABLE, ModelFault.RATE_LIMITED)

    @property
    def final(self) -> bool:
        """Whether no other model can help."""
        return self is ModelFault.BUDGET


@dataclass(frozen=True, kw_only=True)
class Fault:
    """What an exception from a call means. `detail` holds no text and no key; `connected` is
    whether the endpoint was reached; `billable` whether the call may have cost something."""

    kind: ModelFault
    detail: str
    retry_after_seconds: float | None = None
    connected: bool = True
    billable: bool = False


def fault(error: Exception) -> Fault:
    """What an exception from a model call means. What nobody foresaw is nonsense."""
    detail = type(error).__name__
    if isinstance(error, TimeoutError | asyncio.TimeoutError):
        return Fault(kind=ModelFault.TIMEOUT, detail="no reply in time", billable=True)
    if isinstance(error, ConnectionError):
        return Fault(kind=ModelFault.UNAVAILABLE, detail=detail, connected=False)
    import openai

    match error:
        case openai.APITimeoutError():
            return Fault(kind=ModelFault.TIMEOUT, detail="no reply in time", billable=True)
        case openai.APIConnectionError():
            reached = all(type(one).__name__ != "ConnectError" for one in _causes(error))
            return Fault(
                kind=ModelFault.UNAVAILABLE, detail="no connection", connected=reached,
                billable=reached,
            )  # fmt: skip
        case openai.APIResponseValidationError():
            return Fault(kind=ModelFault.NONSENSE, detail=detail, billable=True)
        case openai.APIStatusError():
            return Fault(
                kind=_by_status(error.status_code, str(error.code or "")),
                detail=f"HTTP {error.status_code}",
                retry_after_seconds=_retry_after(error.response.headers),
            )
        case _:
            return Fault(kind=ModelFault.NONSENSE, detail=detail, billable=True)


def _by_status(status: int, code: str) -> ModelFault:
    if status == 429 and "quota" in code:
        return ModelFault.REJECTED
    match status:
        case 429:
            return ModelFault.RATE_LIMITED
        case 400 | 413 | 422:
            return ModelFault.UNFIT
        case 408 | 409 | 425:
            return ModelFault.UNAVAILABLE
        case _:
            return ModelFault.UNAVAILABLE if status >= 500 else ModelFault.REJECTED


def _causes(error: BaseException) -> list[BaseException]:
    found: list[BaseException] = []
    cause = error.__cause__
    while cause is not None and len(found) < 10:
        found.append(cause)
        cause = cause.__cause__
    return found


def _retry_after(headers: Mapping[str, str]) -> float | None:
    """Seconds (RFC 9110, 10.2.3: seconds or a date); None where there is no sensible wish."""
    try:
        told = headers.get("retry-after-ms")
        if told:
            return max(float(told) / 1000, 0.0)
        told = headers.get("retry-after", "")
        if told.replace(".", "", 1).isdigit():
            return float(told)
        sent = parsedate_to_datetime(headers.get("date", ""))
        return max((parsedate_to_datetime(told) - sent).total_seconds(), 0.0)
    except (TypeError, ValueError, OverflowError):
        return None
