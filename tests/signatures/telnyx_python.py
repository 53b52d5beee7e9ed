"""What Telnyx's library for Python takes. Reads a request a line, answers a line."""

import base64
import hashlib
import importlib.util
import json
import pathlib
import sys

from nacl.signing import SigningKey

# The one file: the package around it wants an HTTP client.
package = pathlib.Path(importlib.util.find_spec("telnyx").origin).parent
spec = importlib.util.spec_from_file_location("verification", package / "lib/webhook_verification.py")
verification = importlib.util.module_from_spec(spec)
spec.loader.exec_module(verification)

for line in sys.stdin.buffer:
    asked = json.loads(line)
    key = SigningKey(hashlib.sha256(asked["secret"].encode()).digest())
    if asked["do"] == "sign":
        # As the library checks it: it has no function for it.
        text = f"{asked['at']}|{asked['raw']}"
        answer = base64.b64encode(key.sign(text.encode()).signature).decode()
    else:
        verification.time.time = lambda: asked["now"]
        headers = {
            "Telnyx-Signature-Ed25519": asked["signature"],
            "Telnyx-Timestamp": str(asked["at"]),
        }
        public = base64.b64encode(bytes(key.verify_key)).decode()
        try:
            verification.verify_webhook_signature(asked["raw"].encode(), headers, public)
            answer = True
        except verification.WebhookVerificationError:
            answer = False
    print(json.dumps(answer), flush=True)
