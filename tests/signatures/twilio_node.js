// What Twilio's library for Node signs, and what it takes. Reads a request a line, answers a line.
const readline = require("readline");
const twilio = require("twilio/lib/webhooks/webhooks");

readline.createInterface({ input: process.stdin }).on("line", (line) => {
  const asked = JSON.parse(line);
  const fields = Object.create(null);
  for (const [name, value] of asked.fields) (fields[name] ??= []).push(value);
  const algorithm = twilio.getSignatureAlgorithm(asked.settings);
  let answer;
  if (asked.do === "sign") {
    const params = asked.body === null ? fields : {};
    answer = twilio.getExpectedTwilioSignature(asked.secret, asked.url, params, algorithm);
  } else if (asked.body === null) {
    answer = twilio.validateRequest(asked.secret, asked.signature, asked.url, fields, algorithm);
  } else {
    answer = twilio.validateRequestWithBody(asked.secret, asked.signature, asked.url, asked.body, algorithm);
  }
  console.log(JSON.stringify(answer));
});
