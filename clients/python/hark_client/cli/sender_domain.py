"""What a sender's domain says in DNS: SPF (RFC 7208), DKIM (RFC 6376), DMARC (RFC 7489)."""

from collections.abc import Callable, Iterator, Sequence

from hark_client.cli.findings import OK, UNKNOWN, WRONG, Finding

Texts = Callable[[str], Sequence[str]]  # the TXT records of a name; none where there are none. Raises LookupError


def dns_texts(name: str) -> Sequence[str]:
    """By the system's resolver. Raises LookupError when it cannot tell."""
    import dns.exception  # noqa: PLC0415 - for this command alone
    import dns.resolver  # noqa: PLC0415

    try:
        answer = dns.resolver.resolve(name, "TXT", lifetime=5.0)
    except (dns.resolver.NXDOMAIN, dns.resolver.NoAnswer):
        return []
    except dns.exception.DNSException as error:
        raise LookupError(f"DNS does not answer for {name}: {type(error).__name__}") from None
    return [b"".join(record.strings).decode(errors="replace") for record in answer]


def findings(domain: str, selectors: Sequence[str], texts: Texts) -> Iterator[Finding]:
    """selectors: of DKIM; DNS has no list of them."""
    yield _looked_up("SPF", lambda: _spf(domain, texts))
    if not selectors:
        yield Finding("DKIM", UNKNOWN, "name its selector by --dkim-selector, as your provider gave it: s1")
    for selector in selectors:
        yield _looked_up("DKIM", lambda selector=selector: _dkim(f"{selector}._domainkey.{domain}", texts))  # type: ignore[misc]
    yield _looked_up("DMARC", lambda: _dmarc(domain, texts))


def _looked_up(check: str, look: Callable[[], Finding]) -> Finding:
    try:
        return look()
    except LookupError as error:
        return Finding(check, UNKNOWN, str(error))


def _spf(domain: str, texts: Texts) -> Finding:
    found = [text for text in texts(domain) if text.lower().split(" ")[0] == "v=spf1"]
    if len(found) > 1:
        return Finding("SPF", WRONG, f"{domain} has {len(found)} records with v=spf1, so receivers heed none")
    if not found:
        where = f"{domain} has no record with v=spf1: right only where the provider's return path is another domain"
        return Finding("SPF", UNKNOWN, where)
    if found[0].lower().split()[-1] in {"+all", "all"}:
        return Finding("SPF", WRONG, f"{domain} lets everybody send: {found[0]}")
    return Finding("SPF", OK, f"{domain}: {found[0]}")


def _dkim(name: str, texts: Texts) -> Finding:
    keys = [tags for tags in map(_tags, texts(name)) if "p" in tags]
    if len(keys) != 1:
        return Finding("DKIM", WRONG, f"{name} has {len(keys) or 'no'} keys, and should have one")
    if not keys[0]["p"]:
        return Finding("DKIM", WRONG, f"the key at {name} is revoked")
    return Finding("DKIM", OK, f"{name} has a key")


def _dmarc(domain: str, texts: Texts) -> Finding:
    """Of the domain, or of the nearest above it that has one."""
    labels = domain.split(".")
    for start in range(max(1, len(labels) - 1)):
        name = "_dmarc." + ".".join(labels[start:])
        found = [text for text in texts(name) if _tags(text).get("v") == "DMARC1"]
        if len(found) > 1:
            return Finding("DMARC", WRONG, f"{name} has {len(found)} records, so receivers heed none")
        if found:
            policy = _tags(found[0]).get("p")
            known = policy in {"none", "quarantine", "reject"}
            return Finding("DMARC", OK if known else WRONG, f"{name}: {found[0]}")
    return Finding("DMARC", WRONG, f"_dmarc.{domain} has no record; large mailbox providers ask for one")


def _tags(text: str) -> dict[str, str]:
    """Of `v=DMARC1; p=none`."""
    pairs = (tag.partition("=") for tag in text.split(";"))
    return {name.strip().lower(): value.strip() for name, sign, value in pairs if sign}
