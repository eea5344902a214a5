"""`make run MTLS=1`: nginx before the gateway, doing what Google's load balancer does with client certificates.

As in its mode ALLOW_INVALID_OR_MISSING_CLIENT_CERT everybody is let through, and the gateway learns from headers, which
no client can set, what came of the certificate: https://cloud.google.com/load-balancing/docs/mtls
"""

import base64
import secrets
import shlex
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from emulator.config import GATEWAY, HOST, NGINX, Config
from emulator.errors import NoNginx
from emulator.process import Program

SPIFFE_ID = "spiffe://hark.local/client"
DNS_NAME = "client.hark.local"

# - Paths are relative to the folder, which -p names.
# - Started as root, nginx takes another user for its workers, who cannot enter the folder; so nothing may need a
#   temporary file: a body fits into its buffer, an answer is streamed.
# - error_log: with each error of a request nginx writes its URL, which may hold a name; crit is without these.
# - map: nginx has no variable for a certificate's SHA-256 or names, so they are looked up by its SHA-1; a certificate
#   that was not made here has none.
# - error_page 495: an invalid certificate, to which nginx would itself answer 400.
# - A header that is set to "" is not sent on, and neither is the client's of that name.
_NGINX_CONF = """\
daemon off;
worker_processes 1;
pid nginx.pid;
error_log stderr crit;
events {{ worker_connections 512; }}
http {{
  access_log off;
  server_tokens off;
  client_body_temp_path body;
  proxy_temp_path proxy;
  fastcgi_temp_path fastcgi;
  uwsgi_temp_path uwsgi;
  scgi_temp_path scgi;

  map $ssl_client_verify $client_present {{ default true; NONE false; }}
  map $ssl_client_verify $client_verified {{ default false; SUCCESS true; }}
  map $ssl_client_verify $client_error {{
    default client_cert_validation_failed;
    NONE client_cert_not_provided;
    SUCCESS "";
  }}
  map $ssl_client_fingerprint $client_sha256 {{ default ""; {sha1} "{sha256}"; }}
  map $ssl_client_fingerprint $client_spiffe_id {{ default ""; {sha1} "{spiffe_id}"; }}
  map $ssl_client_fingerprint $client_dns_names {{ default ""; {sha1} "{dns_names}"; }}

  upstream gateway {{
    server {gateway};
    keepalive 16;
  }}

  server {{
    listen {listen} ssl;
    ssl_certificate server.pem;
    ssl_certificate_key server.key;
    ssl_protocols TLSv1.2 TLSv1.3;
    ssl_client_certificate ca.pem;
    ssl_verify_client optional;
    error_page 495 = @gateway;

    client_header_timeout 15s;
    client_body_timeout 30s;
    send_timeout 30s;
    client_max_body_size 1100k;
    client_body_buffer_size 1100k;
    proxy_max_temp_file_size 0;
    proxy_connect_timeout 5s;
    proxy_send_timeout 30s;
    proxy_read_timeout 60s;
    proxy_http_version 1.1;

    proxy_set_header Host $http_host;
    proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
    proxy_set_header X-Forwarded-Proto https;
    proxy_set_header Connection "";
    proxy_set_header Proxy-Connection "";
    proxy_set_header Proxy-Authorization "";
    proxy_set_header Trailer "";
    proxy_set_header X-Client-Cert-Present $client_present;
    proxy_set_header X-Client-Cert-Chain-Verified $client_verified;
    proxy_set_header X-Client-Cert-Error $client_error;
    proxy_set_header X-Client-Cert-Sha256-Fingerprint $client_sha256;
    proxy_set_header X-Client-Cert-Spiffe-Id $client_spiffe_id;
    proxy_set_header X-Client-Cert-Uri-Sans "";
    proxy_set_header X-Client-Cert-Dnsname-Sans $client_dns_names;
    proxy_set_header X-Load-Balancer-Secret "{secret}";

    location / {{ proxy_pass http://gateway; }}
    location @gateway {{ proxy_pass http://gateway; }}
  }}
}}
"""


@dataclass(frozen=True)
class LoadBalancer:
    """url: as its certificate has it; secret: what tells the gateway that a request came this way."""

    url: str
    folder: Path
    secret: str = field(repr=False)

    @property
    def gateway_environment(self) -> Mapping[str, str]:
        """What a gateway behind it must be told."""
        return {"BEHIND_LOAD_BALANCER": "true", "INGRESS": "internal", "LOAD_BALANCER_SECRET": self.secret}

    @property
    def announcement(self) -> Mapping[str, str]:
        """For the env file, which a shell reads."""
        files = {"HARK_MTLS_CA": "ca.pem", "HARK_MTLS_CERT": "client.pem", "HARK_MTLS_KEY": "client.key"}
        paths = {name: shlex.quote(str(self.folder / file)) for name, file in files.items()}
        return {"HARK_MTLS_URL": self.url, **paths}

    @property
    def curl(self) -> str:
        """A command line that works in any folder."""
        files = (("--cacert", "ca.pem"), ("--cert", "client.pem"), ("--key", "client.key"))
        options = (word for option, name in files for word in (option, str(self.folder / name)))
        return shlex.join(("curl", *options, f"{self.url}/v1/channels"))


def make(config: Config, folder: Path) -> LoadBalancer:
    """Fills the folder with new certificates and the configuration that knows them."""
    from emulator import certificates  # noqa: PLC0415 - only MTLS=1 pays for it

    folder.mkdir(mode=0o700)
    fingerprints = certificates.make(folder, SPIFFE_ID, DNS_NAME)
    secret = secrets.token_urlsafe(32)
    conf = folder / "nginx.conf"
    conf.touch(mode=0o600)
    conf.write_text(
        _NGINX_CONF.format(
            sha1=fingerprints.sha1,
            sha256=fingerprints.sha256,
            spiffe_id=SPIFFE_ID,
            dns_names=base64.b64encode(DNS_NAME.encode()).decode(),
            gateway=f"{HOST}:{config.ports[GATEWAY]}",
            listen=f"{HOST}:{config.ports[NGINX]}",
            secret=secret,
        )
    )
    return LoadBalancer(f"https://localhost:{config.ports[NGINX]}", folder, secret)


def find_nginx(environ: Mapping[str, str]) -> str:
    """Raises NoNginx."""
    # Debian has it in a folder that is on root's PATH alone.
    nginx = shutil.which("nginx", path=environ.get("PATH")) or shutil.which("nginx", path="/usr/sbin")
    if nginx is None:
        raise NoNginx("MTLS=1 needs nginx, which is neither on the PATH nor in /usr/sbin: apt-get install nginx")
    return nginx


def program(config: Config, load_balancer: LoadBalancer) -> Program:
    """Raises NoNginx."""
    return Program(
        name=NGINX,
        argv=(find_nginx(config.environ), "-p", str(load_balancer.folder), "-c", "nginx.conf", "-e", "stderr"),
        env=config.environ,
        cwd=config.root,
        # Over plain HTTP, since nothing here trusts its certificate: that nginx refuses it says that nginx is up.
        probe=f"http://{HOST}:{config.ports[NGINX]}/",
        probe_status=400,
    )
