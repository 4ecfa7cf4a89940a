import json

from realcoze.dialects.native.health import encode_health


def test_it_has_the_bots_and_how_each_upstream_stands() -> None:
    body = encode_health("1.0", ("memory", "人"), {"openapi": {"turns": 0}})
    assert json.loads(body) == {
        "status": "ok",
        "version": "1.0",
        "bots": ["memory", "人"],
        "upstreams": {"openapi": {"turns": 0}},
    }
