"""The official Python SDK against a server: its OAuth apps and its audio calls.

Called as `oauth_and_audio.py BASE` with a JSON object on stdin; prints one JSON object, call → what it gave, or how
it failed.
"""

import json
import sys
from functools import partial
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import httpx  # type: ignore[import-not-found, unused-ignore]  # it has an environment of its own
from cozepy import (  # type: ignore[import-not-found, unused-ignore]  # it has an environment of its own
    AudioFormat,
    Coze,
    DeviceOAuthApp,
    JWTAuth,
    JWTOAuthApp,
    PKCEOAuthApp,
    TokenAuth,
)
from telling import tell, told, tried  # type: ignore[import-not-found, unused-ignore]  # beside this

BASE = sys.argv[1]
GIVEN: dict[str, str] = json.load(sys.stdin)
REDIRECT = "http://127.0.0.1:8085/callback"
VERIFIER = "v" * 43


def name_with(token: str) -> str:
    return str(Coze(auth=TokenAuth(token), base_url=BASE).users.me().user_name)


def jwt() -> None:
    app = JWTOAuthApp(GIVEN["client_id"], GIVEN["private_key"], GIVEN["key_id"], base_url=BASE)
    token = app.get_access_token(ttl=600)
    told["jwt_prefix"] = token.access_token[:4]
    told["jwt_ends_at"] = token.expires_in
    tried("jwt_me", lambda: name_with(token.access_token))
    own = Coze(
        auth=JWTAuth(
            client_id=GIVEN["client_id"],
            private_key=GIVEN["private_key"],
            public_key_id=GIVEN["key_id"],
            base_url=BASE,
        ),
        base_url=BASE,
    )
    tried("jwt_client", lambda: own.users.me().user_name)
    stranger = JWTOAuthApp("1", GIVEN["private_key"], GIVEN["key_id"], base_url=BASE)
    tried("jwt_stranger", lambda: stranger.get_access_token().access_token)


def device() -> None:
    app = DeviceOAuthApp(GIVEN["person_client_id"], base_url=BASE)
    code = app.get_device_code()
    told["device_code"] = bool(code.user_code) and code.verification_url is not None
    tried("device_pending", lambda: app.get_access_token(code.device_code).access_token)
    httpx.post(code.verification_uri, data={"user_code": code.user_code, "verdict": "approved"}).raise_for_status()
    token = app.get_access_token(code.device_code)
    tried("device_me", lambda: name_with(token.access_token))
    fresh = app.refresh_access_token(token.refresh_token)
    tried("refreshed_me", lambda: name_with(fresh.access_token))
    tried("refreshed_again", lambda: app.refresh_access_token(token.refresh_token).access_token)
    refused = app.get_device_code()
    httpx.post(refused.verification_uri, data={"user_code": refused.user_code, "verdict": "denied"})
    tried("device_refused", lambda: app.get_access_token(refused.device_code).access_token)


def pkce() -> None:
    app = PKCEOAuthApp(GIVEN["person_client_id"], base_url=BASE)
    for method in ("plain", "S256"):
        url = app.get_oauth_url(REDIRECT, VERIFIER, code_challenge_method=method, state="mine")
        query = parse_qs(urlsplit(httpx.get(url).headers["location"]).query)
        told[f"pkce_{method}_state"] = query["state"][0]
        token = app.get_access_token(REDIRECT, query["code"][0], VERIFIER)
        tried(f"pkce_{method}_me", partial(name_with, token.access_token))
    url = app.get_oauth_url(REDIRECT, VERIFIER, code_challenge_method="S256")
    code = parse_qs(urlsplit(httpx.get(url).headers["location"]).query)["code"][0]
    tried("pkce_wrong", lambda: app.get_access_token(REDIRECT, code, "w" * 43).access_token)


def audio() -> None:
    coze = Coze(auth=TokenAuth(GIVEN["token"]), base_url=BASE)
    voices = [voice.voice_id for voice in coze.audio.voices.list()]
    told["voices"] = voices
    sound = coze.audio.speech.create(input="one two three", voice_id=voices[0], response_format=AudioFormat.WAV)
    file = Path.home() / "speech.wav"
    sound.write_to_file(str(file))
    data = file.read_bytes()
    told["speech"] = data[:4].decode()
    tried("transcription", lambda: coze.audio.transcriptions.create(file=("a.wav", data)).text)
    tried("speech_too_long", lambda: coze.audio.speech.create(input="x" * 1025, voice_id=voices[0]))


jwt()
device()
pkce()
audio()
tell()
