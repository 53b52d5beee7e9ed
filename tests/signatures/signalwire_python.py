"""What SignalWire's library for Python takes. Reads a request a line, answers a line."""

import base64
import hashlib
import hmac
import importlib.util
import json
import pathlib
import sys
from urllib.parse import parse_qsl

# The one file: the package around it wants a web framework.
package = pathlib.Path(importlib.util.find_spec("signalwire").origin).parent
spec = importlib.util.spec_from_file_location("validator", package / "core/security/webhook_validator.py")
validator = importlib.util.module_from_spec(spec)
spec.loader.exec_module(validator)


def sign(key, url, body, is_form):
    """As the library's documentation says: it has no function for it."""
    text = url
    if is_form:
        fields = parse_qsl(body, keep_blank_values=True)
        for name, value in sorted(fields, key=lambda field: field[0]):
            text += name + value
    else:
        text += body
    mac = hmac.new(key.encode(), text.encode(), hashlib.sha1)
    return base64.b64encode(mac.digest()).decode() if is_form else mac.hexdigest()


for line in sys.stdin.buffer:
    asked = json.loads(line)
    if asked["do"] == "sign":
        answer = sign(asked["secret"], asked["url"], asked["raw"], asked["body"] is None)
    else:
        answer = validator.validate_webhook_signature(
            asked["secret"], asked["signature"], asked["url"], asked["raw"]
        )
    print(json.dumps(answer), flush=True)
