"""Signing in by OpenID Connect: the code flow with PKCE (OpenID Connect Core 1.0, 3.1; RFC 7636; RFC 9700).

Authlib and joserfc write what is asked and judge what comes back; every address is asked through the guarded client of
`rapport.outgoing`. Nothing of the provider is kept between two sign-ins, so a key that it has changed is its new one at
once. What is refused is told without anything of the answer.
"""

from __future__ import annotations

import json
import secrets
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final, cast
from urllib.parse import quote, urlsplit

import httpx
from authlib.oauth2.rfc6749.parameters import prepare_grant_uri  # type: ignore[import-untyped]
from authlib.oauth2.rfc7636 import create_s256_code_challenge  # type: ignore[import-untyped]
from authlib.oidc.core import CodeIDToken  # type: ignore[import-untyped]
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import KeySet, KeySetSerialization
from joserfc.jws import JWSRegistry

from rapport import outgoing
from rapport.model.base import Refused, UserError, mail_address

SIGNED_WITH: Final = (
    "RS256",
    "RS384",
    "RS512",
    "PS256",
    "PS384",
    "PS512",
    "ES256",
    "ES384",
    "ES512",
    "Ed25519",
    "EdDSA",
)
"""How an ID token may be signed: with a key that only the provider has, and not with the client's secret."""

LEEWAY_SECONDS: Final = 60
"""How far the provider's clock may be from ours."""

_ELSEWHERE: Final = "_claim_names"
"""What names the claims that are to be asked for elsewhere (OpenID Connect Core 1.0, 5.6.2), as of whoever is in more
groups than Microsoft puts into a token."""

_MOST: Final = 1_000_000
_SECONDS: Final = 5.0


class ProviderAway(UserError):  # noqa: N818 - as the refusals are called that it is one of
    """The provider does not answer, or with what is no answer."""

    def __init__(self, problem: str) -> None:
        """Say what is missing."""
        super().__init__(problem, field="RAPPORT_OIDC_ISSUER", fix="use the emailed link", kind=Refused.UNREACHABLE)


class NotSignedIn(UserError):  # noqa: N818 - likewise
    """What came back does not say who somebody is."""

    def __init__(self, problem: str, fix: str = "sign in again, or use the emailed link") -> None:
        """Say why not."""
        super().__init__(problem, field="sign-in", fix=fix, kind=Refused.FORBIDDEN)


@dataclass(frozen=True)
class Begun:
    """A sign-in that has begun: where its browser goes, and what it has to come back with.

    Attributes:
        state: Comes back with the browser.
        nonce: Comes back in the ID token.
        verifier: Proves at the token endpoint that it is us who began (PKCE).
    """

    url: str
    state: str
    nonce: str
    verifier: str


@dataclass(frozen=True)
class Identity:
    """Who somebody is, as their provider says.

    Attributes:
        email: Their address, which the provider has verified.
        groups: The groups that they are in, by name.
    """

    email: str
    groups: frozenset[str]


@dataclass(frozen=True)
class Provider:
    """A provider of identities, and what we are there.

    Attributes:
        secret: The client's secret; nothing for a public client, which has PKCE alone.
        groups_claim: The claim that lists somebody's groups.
        asks_groups: Whether it is wanted to know them.
        allowed: Hosts that may be asked wherever they are, beside the issuer's.
    """

    issuer: str
    client_id: str
    secret: str | None
    redirect_uri: str
    scope: str = "openid email"
    groups_claim: str = "groups"
    asks_groups: bool = False
    allowed: tuple[str, ...] = ()
    clock: Callable[[], float] = time.time

    async def begin(self, http: httpx.AsyncClient) -> Begun:
        """Begin a sign-in.

        Raises:
            ProviderAway: The provider does not answer.
        """
        metadata = await self._metadata(http)
        state, nonce, verifier = (secrets.token_urlsafe(32) for _ in range(3))
        url: str = prepare_grant_uri(
            metadata["authorization_endpoint"],
            client_id=self.client_id,
            response_type="code",
            redirect_uri=self.redirect_uri,
            scope=self.scope,
            state=state,
            nonce=nonce,
            code_challenge=create_s256_code_challenge(verifier),
            code_challenge_method="S256",
        )
        return Begun(url, state, nonce, verifier)

    async def finish(self, http: httpx.AsyncClient, begun: Begun, code: str, issuer: str | None) -> Identity:
        """Find out who has come back.

        Args:
            begun: What was begun in this browser; that the state is the same was seen already.
            issuer: Who sent the browser back, where that is told (RFC 9207).

        Raises:
            ProviderAway: The provider does not answer.
            NotSignedIn: It does not say who it is: the code or the token is not good, or the address is not verified.
        """
        metadata = await self._metadata(http)
        names_itself = metadata.get("authorization_response_iss_parameter_supported") is True
        if (issuer is not None or names_itself) and issuer != self.issuer:
            # RFC 9207, 2.4: one that says that it names itself in its answers does so in each.
            raise NotSignedIn("the answer comes from another provider")
        tokens = await self._tokens(http, metadata, begun, code)
        claims = await self._judged(http, metadata, tokens, begun.nonce)
        told: dict[str, Any] = dict(claims)
        wanted = {"email", self.groups_claim} if self.asks_groups else {"email"}
        if (missing := wanted - claims.keys()) and metadata.get("userinfo_endpoint"):
            if "email" in missing:
                # Whether an address is verified is for whoever tells the address to say.
                missing.add("email_verified")
                told.pop("email_verified", None)
            more = await self._userinfo(http, metadata, tokens, claims["sub"])
            told |= {name: more[name] for name in (*missing, _ELSEWHERE) if name in more}
        return self._identity(told)

    async def _metadata(self, http: httpx.AsyncClient) -> dict[str, Any]:
        found = await _json(http, f"{self.issuer.rstrip('/')}/.well-known/openid-configuration")
        if found.get("issuer") != self.issuer:
            # OpenID Connect Discovery 1.0, 4.3: or else one provider could speak for another.
            raise ProviderAway("the provider calls itself by another name than RAPPORT_OIDC_ISSUER")
        own = ("userinfo_endpoint",) if found.get("userinfo_endpoint") is not None else ()
        for name in ("authorization_endpoint", "token_endpoint", "jwks_uri", *own):
            url = urlsplit(found[name]) if isinstance(found.get(name), str) else None
            if url is None or url.scheme not in ("https", urlsplit(self.issuer).scheme) or not url.hostname:
                raise ProviderAway(f"the provider names no {name}")
        return found

    async def _tokens(
        self, http: httpx.AsyncClient, metadata: Mapping[str, Any], begun: Begun, code: str
    ) -> dict[str, Any]:
        form = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": self.redirect_uri,
            "code_verifier": begun.verifier,
        }
        auth = None
        ways = metadata.get("token_endpoint_auth_methods_supported") or ["client_secret_basic"]
        if self.secret is not None and "client_secret_basic" in ways:
            # RFC 6749, 2.3.1: each part is encoded first.
            auth = httpx.BasicAuth(quote(self.client_id, safe=""), quote(self.secret, safe=""))
        else:
            form |= {"client_id": self.client_id} | ({"client_secret": self.secret} if self.secret is not None else {})
        options: dict[str, Any] = {"data": form} | ({"auth": auth} if auth is not None else {})
        try:
            return await _json(http, metadata["token_endpoint"], "POST", **options)
        except httpx.HTTPStatusError as error:
            if error.response.status_code == 401 or error.response.is_server_error:
                raise ProviderAway("the provider doesn't take our client id and secret") from None
            raise NotSignedIn("the provider doesn't take the code; it may have been used") from None

    async def _judged(
        self, http: httpx.AsyncClient, metadata: Mapping[str, Any], tokens: Mapping[str, Any], nonce: str
    ) -> CodeIDToken:
        if not isinstance(tokens.get("id_token"), str):
            raise NotSignedIn("the provider sends no ID token", fix="see that the scope has openid")
        keys = await _json(http, metadata["jwks_uri"])
        try:
            registry = JWSRegistry(algorithms=list(SIGNED_WITH), strict_check_header=False)
            token = jwt.decode(
                tokens["id_token"], KeySet.import_key_set(cast("KeySetSerialization", keys)), registry=registry
            )
            claims = CodeIDToken(
                token.claims,
                token.header,
                {"iss": {"essential": True, "value": self.issuer}, "aud": {"essential": True, "value": self.client_id}},
                {"nonce": nonce, "client_id": self.client_id, "access_token": tokens.get("access_token")},
            )
            claims.validate(now=int(self.clock()), leeway=LEEWAY_SECONDS)
        except (JoseError, ValueError, KeyError, TypeError):
            raise NotSignedIn("the provider's ID token is not good: it is another's, too old, or not its own") from None
        return claims

    async def _userinfo(
        self, http: httpx.AsyncClient, metadata: Mapping[str, Any], tokens: Mapping[str, Any], subject: str
    ) -> dict[str, Any]:
        headers = {"Authorization": f"Bearer {tokens.get('access_token', '')}"}
        told = await _json(http, metadata["userinfo_endpoint"], headers=headers)
        if told.get("sub") != subject:
            # OpenID Connect Core 1.0, 5.3.2: a token of somebody else was put in the place of this one.
            raise NotSignedIn("the provider tells of somebody else")
        return told

    def _identity(self, told: Mapping[str, Any]) -> Identity:
        email = told.get("email")
        if not isinstance(email, str):
            raise NotSignedIn(
                "the provider tells no address", fix="see that the scope has email, or use the emailed link"
            )
        verified = told.get("email_verified")
        # Some write it as text.
        if verified is not True and verified != "true":
            raise NotSignedIn(
                "the provider hasn't verified your address", fix="verify it there, or use the emailed link"
            )
        try:
            address = mail_address(email)
        except ValueError:
            address = ""
        if not address:
            raise NotSignedIn("what the provider tells is no address")
        return Identity(address, self._groups(told) if self.asks_groups else frozenset())

    def _groups(self, told: Mapping[str, Any]) -> frozenset[str]:
        """The groups that are told. None at all is an answer; one that cannot be read is not, and takes no role."""
        elsewhere = told.get(_ELSEWHERE)
        if self.groups_claim not in told and isinstance(elsewhere, Mapping) and self.groups_claim in elsewhere:
            raise NotSignedIn(
                "you are in more groups than the provider tells at once",
                fix="have it tell only the groups that have a role here, or use the emailed link",
            )
        groups = told.get(self.groups_claim) or []
        named = [groups] if isinstance(groups, str) else groups
        if not isinstance(named, list) or not all(isinstance(one, str) for one in named):
            raise NotSignedIn(
                "the provider doesn't tell your groups by name",
                fix="see that RAPPORT_OIDC_GROUPS_CLAIM names a list of names, or use the emailed link",
            )
        return frozenset(named)

    def client(self) -> httpx.AsyncClient:
        """What the provider is asked through. Who wrote the issuer into the settings has allowed its host."""
        return outgoing.client((urlsplit(self.issuer).hostname or "", *self.allowed))


async def _json(http: httpx.AsyncClient, url: str, method: str = "GET", **options: Any) -> dict[str, Any]:
    """Ask for a JSON object, of which the status of a refused POST is for the caller.

    Raises:
        ProviderAway: There is none to be had.
    """
    try:
        body = await outgoing.fetch(http, url, most=_MOST, seconds=_SECONDS, method=method, follow=False, **options)
        found = json.loads(body)
    except httpx.HTTPStatusError:
        if method == "POST":
            raise
        raise ProviderAway("the provider doesn't answer") from None
    except (httpx.HTTPError, ValueError):
        raise ProviderAway("the provider doesn't answer") from None
    if not isinstance(found, dict):
        raise ProviderAway("the provider's answer makes no sense")
    return found
