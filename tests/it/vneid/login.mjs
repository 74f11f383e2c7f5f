// Logs in to the provider of $VNEID_ISSUER with openid-client, a library that the OpenID Foundation
// certified and that has nothing in common with the provider's code; then tries what must not work.
// Each sentence that holds is printed; the first that does not ends the program.

import assert from 'node:assert/strict';
import { createHash, createHmac } from 'node:crypto';
import { pathToFileURL } from 'node:url';

const oidc = await import(pathToFileURL(process.env.OPENID_CLIENT));
const issuer = process.env.VNEID_ISSUER;
const back = 'http://127.0.0.1:43210/vneid/callback';
const clientId = 'ansinh-accounts';

const holds = (sentence) => console.log(sentence);

// openid-client asks for https; this provider is on loopback.
const config = await oidc.discovery(new URL(issuer), clientId, undefined, oidc.None(), {
  execute: [oidc.allowInsecureRequests, oidc.enableNonRepudiationChecks],
});
const server = config.serverMetadata();
assert.equal(server.issuer, issuer);
assert.ok(server.supportsPKCE());
for (const [name, values] of Object.entries({
  response_types_supported: ['code'],
  id_token_signing_alg_values_supported: ['RS256'],
  code_challenge_methods_supported: ['S256'],
  token_endpoint_auth_methods_supported: ['none', 'client_secret_basic', 'client_secret_post'],
  acr_values_supported: ['urn:vneid:level:1', 'urn:vneid:level:2'],
})) {
  for (const value of values) assert.ok(server[name].includes(value), `${name} has ${value}`);
}
holds('the provider is discovered');

// --- a browser

const unescaped = (text) =>
  text.replaceAll('&lt;', '<').replaceAll('&gt;', '>').replaceAll('&quot;', '"')
    .replaceAll('&#39;', "'").replaceAll('&amp;', '&');

const attributes = (tag) =>
  Object.fromEntries([...tag.matchAll(/([a-z-]+)(?:="([^"]*)")?/g)].slice(1)
    .map(([, name, value]) => [name, unescaped(value ?? '')]));

// Opens the page, chooses the citizen whose label has the words, and follows to the client.
async function browse(url, words) {
  const shown = await fetch(url, { redirect: 'manual' });
  if (shown.status !== 200) return shown;
  const html = await shown.text();
  const form = html.split('<form method="post" action="/login">')[1].split('</form>')[0];
  const fields = new URLSearchParams({ action: 'allow' });
  for (const [tag] of form.matchAll(/<input [^>]*>/g)) {
    const { type, name, value } = attributes(tag);
    if (type === 'hidden') fields.set(name, value);
  }
  const label = [...form.matchAll(/<label>(<input [^>]*>)([^<]*)/g)]
    .find(([, , text]) => unescaped(text).includes(words));
  assert.ok(label, `${words} is on the page`);
  fields.set('citizen', attributes(label[1]).value);
  return fetch(new URL('/login', url), {
    method: 'POST',
    body: fields,
    headers: { cookie: shown.headers.get('set-cookie').split(';')[0] },
    redirect: 'manual',
  });
}

async function authorize(words, changes = {}) {
  const verifier = oidc.randomPKCECodeVerifier();
  const checks = {
    pkceCodeVerifier: verifier,
    expectedState: oidc.randomState(),
    expectedNonce: oidc.randomNonce(),
    idTokenExpected: true,
  };
  const url = oidc.buildAuthorizationUrl(config, {
    redirect_uri: back,
    scope: 'openid citizen',
    state: checks.expectedState,
    nonce: checks.expectedNonce,
    code_challenge: await oidc.calculatePKCECodeChallenge(verifier),
    code_challenge_method: 'S256',
  });
  for (const [name, value] of Object.entries(changes)) {
    if (value === null) url.searchParams.delete(name);
    else url.searchParams.set(name, value);
  }
  const answer = await browse(url, words);
  const location = answer.headers.get('location');
  return { checks, answer, callback: location && new URL(location) };
}

async function logIn(words) {
  const { checks, callback } = await authorize(words);
  const tokens = await oidc.authorizationCodeGrant(config, callback, checks);
  return { checks, callback, tokens, claims: tokens.claims() };
}

// Who only wants a proof of identity takes it from here, with the nonce that was signed.
if (process.env.VNEID_TOKEN_OF) {
  const { tokens, checks } = await logIn(process.env.VNEID_TOKEN_OF);
  console.log(JSON.stringify({ id_token: tokens.id_token, nonce: checks.expectedNonce }));
  process.exit(0);
}

// --- what works

const { tokens, claims, checks, callback } = await logIn('Nguyễn Thị Mẫu');
assert.equal(callback.origin + callback.pathname, back);
assert.equal(callback.searchParams.get('iss'), issuer);
assert.equal(claims.iss, issuer);
assert.equal(claims.aud, clientId);
assert.equal(claims.acr, 'urn:vneid:level:2');
assert.equal(claims.nonce, checks.expectedNonce);
assert.ok(claims.exp > claims.iat && claims.auth_time <= claims.iat);
holds('a citizen logs in; the library verified signature, issuer, audience, time and nonce');

const half = createHash('sha256').update(tokens.access_token).digest().subarray(0, 16);
assert.equal(claims.at_hash, half.toString('base64url'));
holds('at_hash binds the access token');

const identity = {
  citizen_number: '001148003117',
  name: 'Nguyễn Thị Mẫu',
  birthdate: '1948-05-12',
};
for (const [name, value] of Object.entries(identity)) assert.equal(claims[name], value);
assert.match(claims.old_id_number, /^[0-9]{9}$/);
const told = await oidc.fetchUserInfo(config, tokens.access_token, claims.sub);
for (const [name, value] of Object.entries(identity)) assert.equal(told[name], value);
assert.equal(told.old_id_number, claims.old_id_number);
holds('the claims of scope citizen stand in the ID token and at userinfo');

const again = (await logIn('Nguyễn Thị Mẫu')).claims;
const young = (await logIn('Lê Hoàng Mẫu')).claims;
const ede = (await logIn("H' Mẫu Niê")).claims;
assert.equal(again.sub, claims.sub);
assert.notEqual(young.sub, claims.sub);
assert.equal(young.old_id_number, undefined);
assert.deepEqual([ede.name, ede.birthdate], ["H' Mẫu Niê", '1952']);
holds('a citizen keeps the pseudonym, and another has another');

const levelOne = (await logIn('Võ Thị Chưa Định Danh')).claims;
assert.equal(levelOne.acr, 'urn:vneid:level:1');
holds('a citizen of level 1 says so');

// --- what does not

async function refused(grant, error) {
  const why = await grant.then(() => assert.fail('it was granted'), (it) => it);
  assert.equal(why.error ?? why.code ?? why.name, error, why.stack);
}

{
  const { checks, callback } = await authorize('Trần Văn Thử');
  const wrong = { ...checks, pkceCodeVerifier: oidc.randomPKCECodeVerifier() };
  await refused(oidc.authorizationCodeGrant(config, callback, wrong), 'invalid_grant');
  await refused(oidc.authorizationCodeGrant(config, callback, checks), 'invalid_grant');
  holds('a wrong verifier is refused and spends the code');
}
{
  const { checks, callback, tokens, claims } = await logIn('Trần Văn Thử');
  await refused(oidc.authorizationCodeGrant(config, callback, checks), 'invalid_grant');
  const gone = await fetch(server.userinfo_endpoint, {
    headers: { authorization: `Bearer ${tokens.access_token}` },
  });
  assert.equal(gone.status, 401);
  assert.match(gone.headers.get('www-authenticate'), /invalid_token/);
  assert.ok(claims.sub);
  holds('a code that is used again is refused and takes its token back');
}
for (const redirect_uri of [
  'http://127.0.0.1:43210/elsewhere',
  'http://127.0.0.1.evil.example/vneid/callback',
  'https://evil.example/vneid/callback',
]) {
  const { answer, callback } = await authorize('', { redirect_uri });
  assert.deepEqual([answer.status, callback], [400, null], redirect_uri);
}
holds('nobody is sent to a foreign redirect URI');

for (const changes of [
  { code_challenge: null, code_challenge_method: null },
  { code_challenge_method: 'plain' },
]) {
  const { checks, callback } = await authorize('', changes);
  await refused(oidc.authorizationCodeGrant(config, callback, checks), 'invalid_request');
}
holds('without PKCE by S256 nobody logs in');

{
  const { checks, callback } = await authorize('', { prompt: 'none' });
  await refused(oidc.authorizationCodeGrant(config, callback, checks), 'login_required');
  const other = await authorize('Trần Văn Thử');
  other.callback.searchParams.set('iss', 'http://127.0.0.1:1');
  const mixed = oidc.authorizationCodeGrant(config, other.callback, other.checks);
  await refused(mixed, 'OAUTH_INVALID_RESPONSE');
  holds('refusals are told to the client, and the issuer of an answer is checked');
}

// ID tokens that somebody between provider and client made of a real one.
const { keys: [key] } = await (await fetch(server.jwks_uri)).json();
const encoded = (it) => Buffer.from(JSON.stringify(it)).toString('base64url');
const decoded = (it) => JSON.parse(Buffer.from(it, 'base64url'));
for (const [what, forge] of Object.entries({
  'none': (header, body) => `${encoded({ ...header, alg: 'none' })}.${body}.`,
  'HS256 with the public key': (header, body) => {
    const signed = `${encoded({ ...header, alg: 'HS256' })}.${body}`;
    return `${signed}.${createHmac('sha256', key.n).update(signed).digest('base64url')}`;
  },
  'another citizen': (header, body, signature) => {
    const claims = { ...decoded(body), citizen_number: '001148003117' };
    return `${encoded(header)}.${encoded(claims)}.${signature}`;
  },
})) {
  const { checks, callback } = await authorize('Trần Văn Thử');
  config[oidc.customFetch] = async (url, options) => {
    const response = await fetch(url, options);
    if (String(url) !== server.token_endpoint) return response;
    const answer = await response.json();
    const [header, body, signature] = answer.id_token.split('.');
    answer.id_token = forge(decoded(header), body, signature);
    return Response.json(answer);
  };
  const why = await oidc.authorizationCodeGrant(config, callback, checks)
    .then(() => assert.fail(`${what} was taken`), (it) => it);
  assert.equal(why.name, 'ClientError', `${what}: ${why.stack}`);
  delete config[oidc.customFetch];
}
holds('an ID token of another algorithm or content does not verify');
