// A real OpenID provider on the loopback: node provider.mjs PORT REDIRECT_URI PEOPLE, where PEOPLE is a JSON object of what
// is known of each login. Each start has a key of its own. It prints "ready" once it answers.
import { generateKeyPairSync } from "node:crypto";
import Provider from "oidc-provider";

const [port, redirectUri, people] = [process.argv[2], process.argv[3], JSON.parse(process.argv[4])];
const kid = `key-${process.pid}`;
const key = generateKeyPairSync("rsa", { modulusLength: 2048 }).privateKey.export({ format: "jwk" });
const provider = new Provider(`http://127.0.0.1:${port}`, {
  clients: [
    {
      client_id: "rapport",
      client_secret: "a secret: of the tests/+",
      redirect_uris: [redirectUri],
      response_types: ["code"],
      grant_types: ["authorization_code"],
    },
  ],
  claims: { openid: ["sub"], email: ["email", "email_verified"], groups: ["groups"] },
  scopes: ["openid", "email", "groups"],
  cookies: { keys: ["for the tests alone"] },
  jwks: { keys: [{ ...key, kid, use: "sig", alg: "RS256" }] },
  pkce: { required: () => true },
  findAccount: (_, id) => ({ accountId: id, claims: () => ({ sub: id, ...people[id] }) }),
});
provider.listen(Number(port), "127.0.0.1", () => console.log("ready"));
