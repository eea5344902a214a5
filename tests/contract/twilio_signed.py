"""How Twilio's requests are made for the contract suites, and what can be forged of them."""

from dataclasses import replace

from emulator.lab.callbacks import Callback
from emulator.lab.providers.twilio_receipts import TwilioReporter
from shared.sending.receipts import ReceiptRequest
from tests.contract.receipts import AT, Forgeries, SignedContract, headers_of

URL = "https://hark.example.com"
FORM = "application/x-www-form-urlencoded; charset=UTF-8"


class TwilioSigned(SignedContract):
    signature_header = "X-Twilio-Signature"
    target: str

    def signed(
        self, body: bytes, target: str | None = None, token: str = "token", url: str = URL, type_: str = FORM
    ) -> ReceiptRequest:
        target = self.target if target is None else target
        signature = TwilioReporter(token).sign(Callback(url + target, FORM, body, ()), AT, True)
        return ReceiptRequest(target, headers_of([("Content-Type", type_), *signature.items()]), body, AT)

    def signed_by_another(self) -> ReceiptRequest:
        return self.signed(self.genuine().body, token="another")

    def forgeries_of_its_own(self) -> Forgeries:
        genuine = self.genuine()
        body = genuine.body
        for position in range(len(self.target)):
            other = self.target[:position] + "~" + self.target[position + 1 :]
            yield f"target changed at {position}", replace(genuine, target=other)
        for target in (
            "",
            "*",
            "@eve.example/",
            ":99999/",
            "//[",
            self.target[:-1],
            f"{self.target}&a=b",
            "/\ud800",
        ):
            yield f"target {target!r}", replace(genuine, target=target)
        for url in (
            "http://hark.example.com",
            "https://hark.example.org",
            f"{URL}:8443",
            f"{URL}/hark",
            "https://HARK",
        ):
            yield f"signed for {url}", self.signed(body, url=url)
        path = self.target.partition("?")[0]
        yield "signed with another query", replace(self.signed(body, f"{path}?a=b"), target=self.target)
        for type_ in ("application/json", "text/plain", "", "multipart/form-data; boundary=x"):
            yield f"of type {type_!r}", self.signed(body, type_=type_)
        yield "signed, too many fields", self.signed(body + b"&a=1" * 100)
        yield "signed, not UTF-8", replace(self.signed(body), body=body.replace(b"%C3%BC", b"%FF"))
