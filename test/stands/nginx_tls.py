"""A real nginx that speaks TLS with browsers in front of the page, set up as a text of ours tells operators to."""

from __future__ import annotations

import re
import ssl
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import trustme

from stands.ports import accepts, free_port
from stands.waiting import wait_until

_AROUND = """
daemon off;
master_process off;
pid {folder}/nginx.pid;
error_log {folder}/error.log info;
events {{ worker_connections 64; }}
http {{
access_log {folder}/access.log;
client_body_temp_path {folder}/body;
proxy_temp_path {folder}/proxy;
fastcgi_temp_path {folder}/fastcgi;
uwsgi_temp_path {folder}/uwsgi;
scgi_temp_path {folder}/scgi;
{server}
}}
"""


def example(document: Path) -> str:
    """The block of a document that is marked as nginx."""
    found = re.search(r"```nginx\n(.*?)```", document.read_text(), re.DOTALL)
    assert found is not None, f"{document} has no example for nginx"
    return found[1]


@contextmanager
def nginx_before(page_port: int, server: str, folder: Path, *, name: str) -> Iterator[tuple[int, ssl.SSLContext]]:
    """Nginx with the block `server` before the page; the port, and what trusts its certificate for `name`."""
    folder.mkdir(parents=True)
    authority = trustme.CA()
    certificate = authority.issue_cert(name, "localhost")
    certificate.cert_chain_pems[0].write_to_path(folder / "cert.pem")
    certificate.private_key_pem.write_to_path(folder / "key.pem")
    port = free_port()
    for said, meant in (
        ("listen 443 ssl", f"listen 127.0.0.1:{port} ssl"),
        (f"/etc/ssl/{name}.pem", str(folder / "cert.pem")),
        (f"/etc/ssl/{name}.key", str(folder / "key.pem")),
        ("http://127.0.0.1:8080", f"http://127.0.0.1:{page_port}"),
    ):
        assert said in server, f"the example does not say {said}"
        server = server.replace(said, meant)
    (folder / "nginx.conf").write_text(_AROUND.format(folder=folder, server=server))
    trusting = ssl.create_default_context()
    authority.configure_trust(trusting)
    command = ["nginx", "-e", str(folder / "error.log"), "-p", str(folder), "-c", str(folder / "nginx.conf")]
    with subprocess.Popen(command) as process:
        try:
            wait_until(lambda: accepts(port), what="nginx listens")
            yield port, trusting
        finally:
            process.kill()
