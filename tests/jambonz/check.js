// Reads documents, a JSON text a line, and says of each what jambonz's own packages find wrong with it: a JSON text a
// line, with what its feature server checks (`specs`) and what its schema says (`schema`). The packages are found below
// the folder this is started in.
'use strict';

const {createRequire} = require('node:module');
const {createInterface} = require('node:readline');
const {join} = require('node:path');

const from = createRequire(join(process.cwd(), 'package.json'));
const specs = from('@jambonz/verb-specifications');
const schema = from('@jambonz/schema');
const logger = {info: () => {}, debug: () => {}, error: () => {}};

const wrong = (check, document) => {
  try {
    check(document);
    return null;
  } catch (error) {
    return error.message;
  }
};

createInterface({input: process.stdin}).on('line', (line) => {
  const document = JSON.parse(line);
  const found = {
    specs: wrong((it) => specs.validate(logger, it), document),
    schema: wrong((it) => schema.validate(logger, it), document),
  };
  process.stdout.write(`${JSON.stringify(found)}\n`);
});
