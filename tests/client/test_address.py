import pytest
from hypothesis import given
from hypothesis import strategies as st

from client.errors import InvalidAddress
from client.transport import open_transport, parse_address


@pytest.mark.parametrize(
    ("text", "means"),
    [
        ("localhost:8001", "grpc://localhost:8001"),
        ("localhost", "grpc://localhost:8001"),
        ("grpc://host:9", "grpc://host:9"),
        ("grpcs://host", "grpcs://host:8001"),
        ("http://host", "http://host:8000"),
        ("https://host:443/", "https://host:443"),
        ("[::1]:8001", "grpc://[::1]:8001"),
        ("grpc+shm://host", "grpc+shm://host:8001"),
        ("http+shm://host", "http+shm://host:8000"),
    ],
)
def test_an_address_says_how_and_where(text: str, means: str) -> None:
    assert str(parse_address(text)) == means


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        ("", "should look like localhost:8001"),
        ("ftp://host", "use one of grpc://"),
        ("host:port", "not a server's address"),
        ("host:99999", "not a server's address"),
        ("http://host/path", "should look like"),
        ("grpc://", "should look like"),
    ],
)
def test_what_is_no_address_is_refused_with_a_hint(text: str, hint: str) -> None:
    with pytest.raises(InvalidAddress, match=hint):
        open_transport(text, asynchronous=False)


@given(st.text(max_size=30))
def test_any_text_is_an_address_or_is_refused_as_one(text: str) -> None:
    try:
        address = parse_address(text)
    except InvalidAddress:
        return
    assert parse_address(str(address)) == address


@pytest.mark.parametrize(("url", "kind"), [("h:1", "GrpcTransport"), ("http://h:1", "BlockingHttpTransport")])
def test_the_scheme_chooses_the_wire(url: str, kind: str) -> None:
    assert type(open_transport(url, asynchronous=False)).__name__ == kind


@pytest.mark.parametrize(
    ("scheme", "shared"), [("grpc", False), ("https", False), ("grpc+shm", True), ("http+shm", True)]
)
def test_memory_is_shared_only_where_the_scheme_says_so(scheme: str, shared: bool) -> None:
    assert parse_address(f"{scheme}://localhost").shares_memory is shared
    assert not parse_address("grpc+shm://localhost").secure


@pytest.mark.parametrize(
    ("text", "here"),
    [("localhost", True), ("127.1.2.3:9", True), ("[::1]:8001", True), ("10.0.0.1", False), ("room", False)],
)
def test_this_machine_is_known_by_name_and_number(text: str, here: bool) -> None:
    assert parse_address(text).is_loopback is here
