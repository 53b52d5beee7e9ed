"""What Twilio's library for Python signs, and what it takes. Reads a request a line, answers a line."""

import json
import sys

from twilio.request_validator import RequestValidator, get_signature_algorithm


class Form(dict):
    """Fields as web frameworks hand them over: several values to a name."""

    def __init__(self, fields):
        for name, value in fields:
            self.setdefault(name, []).append(value)

    def getlist(self, name):
        return self[name]


for line in sys.stdin.buffer:
    asked = json.loads(line)
    validator = RequestValidator(asked["secret"])
    params = Form(asked["fields"]) if asked["body"] is None else asked["body"]
    algorithm = get_signature_algorithm(asked["settings"])
    if asked["do"] == "sign":
        # A body that is no form is in the address only.
        fields = {} if isinstance(params, str) else params
        answer = validator.compute_signature(asked["url"], fields, algorithm)
    else:
        answer = validator.validate(asked["url"], params, asked["signature"], algorithm)
    print(json.dumps(answer), flush=True)
