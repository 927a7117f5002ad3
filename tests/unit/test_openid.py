"""What an OpenID provider may answer: one way signs somebody in, and whatever differs from it does not."""

from __future__ import annotations

import base64
import hmac
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import httpx
import pytest
from hypothesis import given, strategies as st
from joserfc import jwt
from joserfc.jwk import KeySet, OctKey, RSAKey
from joserfc.jws import JWSRegistry

from rapport.model.account import Role
from rapport.model.base import Refused, UserError
from rapport.openid import Begun, Identity, NotSignedIn, Provider, ProviderAway
from rapport.settings import Settings, read_settings

ISSUER: Final = "https://id.foobar.example/realm"
NOW: Final = 1_795_000_000
BEGUN: Final = Begun("", "state", "nonce-1", "verifier")
KEY, OTHER = (RSAKey.generate_key(2048, {"kid": kid, "use": "sig", "alg": "RS256"}) for kid in ("one", "two"))
SAME_NAME = RSAKey.generate_key(2048, {"kid": "one", "use": "sig", "alg": "RS256"})
CLAIMS: Final[dict[str, Any]] = {
    "iss": ISSUER,
    "sub": "42",
    "aud": "rapport",
    "exp": NOW + 300,
    "iat": NOW,
    "nonce": "nonce-1",
    "email": "Robin.Keller@FooBar.example",
    "email_verified": True,
    "groups": ["tams"],
}
METADATA: Final = {
    "issuer": ISSUER,
    "authorization_endpoint": f"{ISSUER}/authorize",
    "token_endpoint": f"{ISSUER}/token",
    "jwks_uri": f"{ISSUER}/keys",
    "userinfo_endpoint": f"{ISSUER}/me",
}
US: Final = Provider(ISSUER, "rapport", None, "https://rapport.example/back", asks_groups=True, clock=lambda: NOW)


def signed(claims: dict[str, Any], key: Any = KEY, alg: str = "RS256") -> str:
    """An ID token."""
    header = {"alg": alg} | ({"kid": key.kid} if key.kid else {})
    return jwt.encode(header, claims, key, registry=JWSRegistry(algorithms=[alg]))


def with_public_key(claims: dict[str, Any]) -> str:
    """An ID token whose signature is an HMAC with what everybody knows (RFC 8725, 2.1)."""
    parts = [json.dumps(one).encode() for one in ({"alg": "HS256", "kid": KEY.kid}, claims)]
    text = ".".join(base64.urlsafe_b64encode(part).decode().rstrip("=") for part in parts)
    mark = hmac.digest(KEY.as_pem(private=False), text.encode(), "sha256")
    return f"{text}.{base64.urlsafe_b64encode(mark).decode().rstrip('=')}"


async def finished(
    token: Any,
    *,
    keys: Any = KEY,
    me: Any = None,
    metadata: dict[str, Any] = METADATA,
    issuer: str | None = None,
    us: Provider = US,
) -> Identity:
    """What comes of a sign-in at a provider that answers so."""
    answers = {
        "/realm/.well-known/openid-configuration": metadata,
        "/realm/keys": KeySet([keys]).as_dict(private=False),
        "/realm/token": {"access_token": "a", "token_type": "Bearer", "id_token": token},
        "/realm/me": me,
    }

    def answer(request: httpx.Request) -> httpx.Response:
        return httpx.Response(200, json=answers[request.url.path])

    async with httpx.AsyncClient(transport=httpx.MockTransport(answer)) as http:
        return await us.finish(http, BEGUN, "code", issuer)


def without(*names: str) -> dict[str, Any]:
    """The claims, but for these."""
    return {name: value for name, value in CLAIMS.items() if name not in names}


async def test_what_a_provider_should_answer_says_who_it_is() -> None:
    """The claims in the ID token, or of the userinfo endpoint, with times that are a little off."""
    robin = Identity("Robin.Keller@foobar.example", frozenset({"tams"}))
    assert await finished(signed(CLAIMS)) == robin
    assert await finished(signed(CLAIMS | {"exp": NOW - 30, "iat": NOW + 30})) == robin
    assert await finished(signed(CLAIMS | {"aud": ["rapport"], "azp": "rapport"})) == robin
    told = {"sub": "42", "email": "robin.keller@foobar.example", "email_verified": True}
    found = await finished(signed(without("email", "email_verified", "groups")), me=told)
    assert found == Identity("robin.keller@foobar.example", frozenset())


FORGED: Final[dict[str, Callable[[], str]]] = {
    "another issuer": lambda: signed(CLAIMS | {"iss": "https://evil.example"}),
    "no issuer": lambda: signed(without("iss")),
    "another audience": lambda: signed(CLAIMS | {"aud": "another"}),
    "another party beside": lambda: signed(CLAIMS | {"aud": ["rapport", "another"], "azp": "another"}),
    "another nonce": lambda: signed(CLAIMS | {"nonce": "nonce-2"}),
    "no nonce": lambda: signed(without("nonce")),
    "expired": lambda: signed(CLAIMS | {"exp": NOW - 61}),
    "no end": lambda: signed(without("exp")),
    "of the future": lambda: signed(CLAIMS | {"iat": NOW + 3600, "exp": NOW + 7200}),
    "a key that is not theirs": lambda: signed(CLAIMS, OTHER),
    "a key of the same name": lambda: signed(CLAIMS, SAME_NAME),
    "not signed": lambda: signed(CLAIMS, OctKey.import_key("x"), "none"),
    "signed with the public key": lambda: with_public_key(CLAIMS),
    "another access token": lambda: signed(CLAIMS | {"at_hash": "x"}),
    "no token": lambda: "",
    "cut off": lambda: signed(CLAIMS)[:-9],
}


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("how", FORGED)
async def test_a_token_that_is_not_good_signs_nobody_in(how: str) -> None:
    """Another's, too old, for others, or not signed by the provider's present keys: refused, with no word of it."""
    with pytest.raises(NotSignedIn) as caught:
        await finished(FORGED[how]())
    assert caught.value.kind is Refused.FORBIDDEN
    assert "evil" not in str(caught.value)


@pytest.mark.parametrize("told", [None, False, "yes", 1, [], {}])
async def test_an_address_counts_only_where_it_is_verified(told: Any) -> None:
    """Anything but true is no verification; the userinfo endpoint of somebody else proves nothing."""
    with pytest.raises(NotSignedIn, match="verified your address"):
        await finished(signed(CLAIMS | {"email_verified": told}))
    with pytest.raises(NotSignedIn, match="somebody else"):
        await finished(
            signed(without("email")), me={"sub": "43", "email": "ines@foobar.example", "email_verified": True}
        )


async def test_who_tells_the_address_says_whether_it_is_verified() -> None:
    """A word on it in the ID token, which has no address, says nothing of the one that the userinfo endpoint tells."""
    with pytest.raises(NotSignedIn, match="verified your address"):
        await finished(signed(without("email")), me={"sub": "42", "email": "ines@foobar.example"})


@pytest.mark.parametrize("email", ["robin.\u212aeller@foobar.example", "robin.\uff4beller@foobar.example"])
async def test_a_mailbox_that_looks_like_a_members_is_not_theirs(email: str) -> None:
    """Letters before the @ that become others in the form which is kept sign nobody in: a Kelvin sign is a K there."""
    with pytest.raises(NotSignedIn, match="is no address"):
        await finished(signed(CLAIMS | {"email": email}))


async def test_a_provider_that_names_itself_in_its_answers_does_so_in_each() -> None:
    """RFC 9207, 2.4: where it says that it does, an answer without its name is another's; elsewhere none is needed."""
    names = METADATA | {"authorization_response_iss_parameter_supported": True}
    assert await finished(signed(CLAIMS), metadata=names, issuer=ISSUER)
    for metadata, issuer in ((names, None), (names, "https://evil.example"), (METADATA, "https://evil.example")):
        with pytest.raises(NotSignedIn, match="another provider"):
            await finished(signed(CLAIMS), metadata=metadata, issuer=issuer)


async def test_groups_are_looked_for_where_the_provider_tells_them() -> None:
    """In the ID token, or of the userinfo endpoint, which then says nothing else anew; nobody is asked without need."""
    me = {"sub": "42", "email": "ines@foobar.example", "email_verified": True, "groups": ["leads"], "aud": "x"}
    found = await finished(signed(without("groups")), me=me)
    assert found == Identity("Robin.Keller@foobar.example", frozenset({"leads"}))
    with pytest.raises(NotSignedIn, match="verified your address"):
        await finished(signed(without("groups", "email_verified")), me=me)
    with pytest.raises(NotSignedIn, match="somebody else"):
        await finished(signed(without("groups")), me=me | {"sub": "43"})
    for claims in (CLAIMS | {"groups": []}, without("groups")):
        assert not (await finished(signed(claims), me={"sub": "42"})).groups
    assert (await finished(signed(CLAIMS | {"groups": "tams"}))).groups == {"tams"}
    asked = await finished(signed(without("groups")), me=None, us=replace(US, asks_groups=False))
    assert asked == Identity("Robin.Keller@foobar.example", frozenset())


@pytest.mark.parametrize("groups", [{"tams": True}, [{"name": "tams"}], [["tams"]], [1], 1, True])
async def test_groups_that_cannot_be_read_are_no_word_on_them(groups: Any) -> None:
    """Nobody's roles go by what has no names in it, nor by a token that says where the groups are to be asked for."""
    with pytest.raises(NotSignedIn, match="groups by name"):
        await finished(signed(CLAIMS | {"groups": groups}))
    there = {"_claim_names": {"groups": "src1"}, "_claim_sources": {"src1": {"endpoint": "https://graph.example/"}}}
    with pytest.raises(NotSignedIn, match="more groups"):
        await finished(signed(without("groups") | there), me={"sub": "42"})
    with pytest.raises(NotSignedIn, match="more groups"):
        await finished(signed(without("groups")), me={"sub": "42"} | there)


@given(value=st.recursive(st.none() | st.booleans() | st.text() | st.integers(), st.lists, max_leaves=4))
async def test_any_claim_may_be_nonsense(value: Any) -> None:
    """Whatever stands in one claim, it is somebody who is known or a refusal, and never an error of ours."""
    for name in CLAIMS:
        try:
            found = await finished(signed(CLAIMS | {name: value}))
        except (NotSignedIn, ProviderAway):
            continue
        assert name in ("sub", "groups", "email", "email_verified", "exp", "iat", "iss", "aud", "nonce")
        assert isinstance(found, Identity)


@pytest.mark.parametrize(
    "metadata",
    [
        {},
        METADATA | {"issuer": "https://id.foobar.example"},
        METADATA | {"jwks_uri": "http://id.foobar.example/keys"},
        METADATA | {"userinfo_endpoint": "http://id.foobar.example/me"},
    ],
)
async def test_a_provider_that_is_not_the_one_meant_is_away(metadata: dict[str, Any]) -> None:
    """Its own name has to be the issuer of the settings, and its addresses as safe as that."""
    with pytest.raises(ProviderAway):
        await finished(signed(CLAIMS), metadata=metadata)


async def test_a_provider_inside_is_reached_by_its_own_name_alone() -> None:
    """The issuer's host is allowed by who wrote it down; where its document leads is judged as any address."""
    inside = Provider("http://127.0.0.1:9", "rapport", None, "https://rapport.example/back")
    async with inside.client() as http:
        with pytest.raises(httpx.ConnectError):
            await http.get("http://127.0.0.1:9/")
        with pytest.raises(httpx.ConnectError, match="isn't public"):
            await http.get("http://127.0.0.2:9/")


def test_groups_are_written_as_pairs_or_as_a_table(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With commas in the environment, as a table in `rapport.toml`; an unknown role and a plain address are refused."""
    wanted = (("CN=TAMs", Role.TAM), ("leads", Role.SUPPORT_LEAD))
    (tmp_path / "rapport.toml").write_text('oidc_roles = { "CN=TAMs" = "tam", leads = "support_lead" }\n')
    assert read_settings(tmp_path).oidc_roles == wanted
    monkeypatch.setenv("RAPPORT_OIDC_ROLES", "CN=TAMs=tam, leads = support_lead")
    assert Settings(data=tmp_path).oidc_roles == wanted
    for name, value in (("ROLES", "leads=king"), ("ROLES", "leads"), ("ISSUER", "http://id.example"), ("ISSUER", "id")):
        monkeypatch.setenv(f"RAPPORT_OIDC_{name}", value)
        with pytest.raises(UserError) as caught:
            read_settings(tmp_path)
        assert caught.value.field.startswith(f"RAPPORT_OIDC_{name}")
        monkeypatch.delenv(f"RAPPORT_OIDC_{name}")


def test_nothing_of_the_secrets_is_told() -> None:
    """What an installation's settings print has no client secret in it."""
    assert "hush" not in json.dumps(Settings(oidc_client_secret="hush").model_dump(mode="json"))
