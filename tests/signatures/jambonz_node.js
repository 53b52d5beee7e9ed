// What jambonz's library for Node takes. Reads a request a line, answers a line.
const crypto = require("crypto");
const readline = require("readline");
const { WebhookResponse } = require("@jambonz/node-client");

// As jambonz-feature-server does it: the library has no function for it.
function sign(secret, at, raw) {
  return `t=${at},v1=${crypto.createHmac("sha256", secret).update(`${at}.${raw}`, "utf8").digest("hex")}`;
}

function takes(asked) {
  Date.now = () => asked.now * 1000;
  const request = { get: () => asked.signature, body: Buffer.from(asked.raw) };
  let taken = false;
  try {
    WebhookResponse.verifyJambonzSignature(asked.secret)(request, {}, () => (taken = true));
  } catch {
    return false;
  }
  return taken;
}

readline.createInterface({ input: process.stdin }).on("line", (line) => {
  const asked = JSON.parse(line);
  console.log(JSON.stringify(asked.do === "sign" ? sign(asked.secret, asked.at, asked.raw) : takes(asked)));
});
