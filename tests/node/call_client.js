// Call an official client in a process of its own.
//
// Reads {client, origin, options, steps} from standard input. Each step is [path, arguments], such
// as ["recordings.get", ["an-id"]] or ["calls(an-id).recordings.list", []]. Prints one line of JSON
// per step: {"value": ...} or {"error": {"name", "message", "status"}}. `collect` as the last
// element of a step reads all pages.

"use strict";

const CLIENTS = {
  plivo({ origin, options }) {
    // The client's address is a constant, so the emulator's takes its place in each request.
    const axios = require("axios");
    const { request } = axios.Axios.prototype;
    axios.Axios.prototype.request = function (config, ...more) {
      const url = config.url.replace("https://api.plivo.com", origin);
      return request.call(this, { ...config, url }, ...more);
    };
    const plivo = require("plivo");
    return new plivo.Client(options.auth_id, options.auth_token, options.more);
  },
  twilio({ origin, options }) {
    // The client's address is a constant, too; its HTTP client can be replaced.
    const twilio = require("twilio");
    class EmulatorClient extends twilio.RequestClient {
      request(given) {
        return super.request({ ...given, uri: given.uri.replace("https://api.twilio.com", origin) });
      }
    }
    const client = twilio(options.account_sid, options.auth_token, { httpClient: new EmulatorClient() });
    const { validateRequest, validateRequestWithBody } = twilio;
    return Object.assign(client, { validateRequest, validateRequestWithBody });
  },
  cloudflare({ options }) {
    const Cloudflare = require("cloudflare");
    return new (Cloudflare.default || Cloudflare)(options);
  },
};

function describe(error) {
  const status = error.status ?? error.response?.status ?? null;
  return { name: error.constructor?.name ?? typeof error, message: String(error.message ?? error), status };
}

async function run(client, [path, args, mode]) {
  const names = path.split(/\.(?![^(]*\))/); // an id in parentheses may contain a dot
  const name = names.pop();
  const owner = names.reduce((value, each) => {
    const [, method, id] = /^(\w+)\((.*)\)$/.exec(each) ?? [];
    return method === undefined ? value[each] : value[method](id);
  }, client);
  const result = owner[name](...args);
  if (mode !== "collect") return result;
  const found = [];
  for await (const each of result) found.push(each);
  return found;
}

async function main() {
  const chunks = [];
  for await (const chunk of process.stdin) chunks.push(chunk);
  const request = JSON.parse(Buffer.concat(chunks).toString());
  const client = CLIENTS[request.client](request);
  for (const step of request.steps) {
    let line;
    try {
      line = { value: (await run(client, step)) ?? null };
    } catch (error) {
      line = { error: describe(error) };
    }
    console.log(JSON.stringify(line));
  }
  process.exit(0); // a client may keep its connections, and with them the process, alive
}

main();
