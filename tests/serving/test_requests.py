"""What a client may do wrong, or mean ill: it is told so in one answer, and nobody else is kept from theirs."""

import json
import socket
from collections.abc import Callable, Iterator

import pytest

from portrait_assets.serving import app as app_module
from portrait_assets.serving import connections
from portrait_assets.serving.service import Service
from tests.serving.shop import Client, Process, Shop, live, serving

GOOD = live(1, "ann", "2024-03-12")
HEAD = b"POST /events HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"


@pytest.fixture(scope="module")
def client(a_copy: Callable[[], Shop]) -> Iterator[Client]:
    with serving(Service(a_copy().home)) as client:
        yield client


def row(**fields: str) -> str:
    """An event as JSON, with fields as they are written."""
    said = {"event_time": '"2024-03-12"', "user_id": '"bob"', "event_type": '"view"', **fields}
    return "{" + ", ".join(f'"{name}": {value}' for name, value in said.items()) + "}"


@pytest.mark.parametrize(
    ("bad", "reason"),
    [
        (row(event_time='"9999-12-31T23:59:59-23:59"'), "event_time: '9999-12-31T23:59:59-23:59' is not a time"),
        (row(event_time='"0001-01-01T00:00:00+01:00"'), "event_time: '0001-01-01T00:00:00+01:00' is not a time"),
        (row(event_time='"\\ud800"'), "event_time: '\\ud800' is not a time"),
        (row(user_id='"\\ud83d"'), "user_id: '\\ud83d' is not Unicode"),
        (row(event_type='"\\udead"'), "event_type: '\\udead' is not Unicode"),
        (row().replace('"event_time"', '"\\ud800"'), "not Unicode"),
        (row(user_id='"a\0b"'), "user_id: holds a NUL character"),
        (row(user_id="NaN"), "user_id: nan is no id"),
        (row(user_id="1.5"), "user_id: 1.5 is no id"),
        (row(user_id="true"), "user_id: true is no id"),
        (row(user_id="null"), "user_id: null is no id"),
        (row(user_id='["bob"]'), "user_id: a list or object is no id"),
        (row(user_id='"\u3000"'), "user_id: is empty"),
        (row(user_id="9" * 5000), "user_id: inf is no id"),
        (row(user_id=f'"{"x" * 1001}"'), "user_id: has 1,001 characters"),
        (row(user_id='"ann", "user_id": "bob"'), "user_id is given twice"),
        (row(amount="1e999"), "amount: inf is not a number that can be kept"),
        (row(amount="1" + "0" * 400), "amount: 1000000000"),
        (row(amount="1" + "0" * 5000), "amount: inf is not a number that can be kept"),
        (row(amount="true"), "amount: true is not a number"),
        (row(amount='"1_000"'), "amount: '1_000' is not a number"),
        (row(item_id="[" * 100_000 + "]" * 100_000), "too deep"),
        (row(text="{" + '"a":{' * 50_000 + "}" * 50_001), "too deep"),
        ("[" * 100_000 + "]" * 100_000, "too deep"),
        ("17", "not a JSON object"),
    ],
)
def test_the_good_events_beside_a_bad_one_are_taken(client: Client, bad: str, reason: str):
    body = f"[{row()}, {bad}, {row(user_id='17')}]"
    status, answer, _ = client.ask("/events", body.encode("utf-8"))
    assert (status, answer["accepted"]) == (200, 2)
    [rejected] = answer["rejected"]
    assert rejected["row"] == 1 and reason in rejected["reason"]
    assert client.ask("/events", f"[{bad}]".encode())[0] == 422


def test_bytes_that_are_not_utf_8_spoil_their_own_event_alone(client: Client):
    body = b"[" + row(user_id='"\xff"').encode("latin-1") + b"," + row().encode() + b"]"
    status, answer, _ = client.ask("/events", body)
    assert (status, answer["accepted"], answer["rejected"][0]["row"]) == (200, 1, 0)
    assert "not Unicode; send UTF-8" in answer["rejected"][0]["reason"]
    assert client.ask("/events", "\ufeff[]".encode())[0] == 200


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"", "is empty"),
        (b" \n", "is empty"),
        (b"\0", "is not JSON"),
        (b"[1,", "is not JSON"),
        (b'{"a":' * 50_000, "is not a list"),
        (b"[" * 100_000, "is not one JSON list"),
        (b"[" * 100_000 + b"]" * 100_000 + b"]", "is not one JSON list"),
        ("[]".encode("utf-16"), "is not JSON"),
        (b"9" * 5000, "is not a list"),
    ],
)
def test_what_is_no_list_at_all_is_refused_with_the_reason(client: Client, body: bytes, reason: str):
    status, answer, _ = client.ask("/events", body)
    assert status == 400 and reason in answer["detail"]


@pytest.mark.parametrize("kind", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", ""])
def test_what_any_page_can_send_without_asking_is_refused(client: Client, kind: str):
    status, answer, _ = client.ask("/events", [GOOD], Content_Type=kind)
    assert status == 415 and "send the header Content-Type: application/json" in answer["detail"]
    assert client.ask("/events", [], Content_Type="application/json; charset=utf-8")[0] == 200


def test_pages_of_other_servers_and_other_names_for_this_machine_are_refused(client: Client):
    port = client.url.rpartition(":")[2]
    for path, body in (("/events", []), ("/users/ann/card", None)):
        for host in ("127.0.0.1", "localhost", "LOCALHOST", "[::1]"):
            assert client.ask(path, body, Host=f"{host}:{port}")[0] == 200
            assert client.ask(path, body, Host=host)[0] == 200
        for host in (
            "evil.example",
            "evil.example:80",
            "127.0.0.1.evil.example",
            "localhost.evil.example:1",
            "",
            "127.0.0.1:x",
        ):
            status, answer, _ = client.ask(path, body, Host=host)
            assert status == 403 and answer["detail"].startswith(f"Host is '{host}'")
        assert client.ask(path, body, Origin=client.url)[0] == 200
        for origin in (
            "http://evil.example",
            "null",
            "http://127.0.0.1:1",
            f"https://127.0.0.1:{port}",
            f"http://localhost:{port}",
            "",
        ):
            status, answer, _ = client.ask(path, body, Origin=origin)
            assert status == 403 and answer["detail"].startswith(f"Origin is '{origin}'")


def say(client: Client, said: bytes) -> socket.socket:
    """A connection on which so much was sent, and no more will be."""
    connection = socket.create_connection(("127.0.0.1", int(client.url.rpartition(":")[2])), timeout=30)
    connection.sendall(said)
    return connection


def heard(connection: socket.socket) -> bytes:
    """All that comes until the other side ends the connection."""
    received = b""
    with connection:
        try:
            while part := connection.recv(65_536):
                received += part
        except ConnectionResetError:
            pass
    return received


def test_a_request_that_does_not_arrive_ends_and_others_go_on(client: Client, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(app_module, "BODY_SECONDS", 0.2)
    answer = heard(say(client, HEAD + b"Content-Length: 100\r\n\r\n[{"))
    assert answer.startswith(b"HTTP/1.1 408 ") and b"send smaller batches" in answer
    monkeypatch.setattr(connections, "REQUEST_SECONDS", 0.2)
    silent, in_its_head = say(client, b""), say(client, HEAD)
    second = say(client, b"GET /health HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\nGET /health HTTP/1.1\r\n")
    assert (heard(silent), heard(in_its_head)) == (b"", b"")
    assert heard(second).count(b"HTTP/1.1 200 ") == 1
    assert client.ask("/health")[0] == 200


def test_more_connections_than_can_be_kept_are_told_so(shop: Shop, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(connections, "MOST_CONNECTIONS", 4)
    with serving(Service(shop.home)) as client:
        others = [say(client, b"") for _ in range(4)]
        waiting = heard(say(client, b"GET /health HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n"))
        assert waiting.startswith(b"HTTP/1.1 503 ")
        for other in others:
            other.close()
        last = b""
        while not last.startswith(b"HTTP/1.1 200 "):
            last = heard(say(client, b"GET /health HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n"))


def test_a_client_that_goes_away_leaves_one_line_at_the_most(shop: Shop):
    process = Process(shop.home.settings.home_dir)
    say(process.client, HEAD + b"Content-Length: 100\r\n\r\n[{").close()
    say(process.client, HEAD).close()
    whole = json.dumps([GOOD]).encode()
    say(process.client, HEAD + b"Content-Length: %d\r\n\r\n" % len(whole) + whole).close()
    say(process.client, b"\x00\xff nonsense\r\n\r\n").close()
    receipt = process.client.post(live(2, "ann", "2024-03-12"))
    assert process.client.card("ann", receipt["position"])["live"]["through"] == receipt["position"]
    process.stop()
    assert "Traceback" not in process.log.read_text()
