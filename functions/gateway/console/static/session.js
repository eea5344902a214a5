// Who is signed in. The key is in this variable and nowhere else: no storage, no cookie, no address has it, and it is
// gone with the tab.

let key = null;
let caller = null;
let channels = [];

export function signedIn() {
  return caller !== null;
}

export function keepKey(text) {
  key = text;
}

export function keepCaller(found) {
  caller = found;
}

export function keepChannels(names) {
  channels = names;
}

// The channels' names; none where the caller may not list them.
export function channelNames() {
  return channels;
}

export function callerNow() {
  return caller;
}

// Of each request. Without a key, whoever stands in front of the gateway says who calls.
export function credentials() {
  return key === null ? {} : { Authorization: `Bearer ${key}` };
}

export function may(...scopes) {
  return scopes.every((scope) => caller.scopes.includes(scope));
}

// The page is loaded anew, so that nothing that it has shown stays behind either.
export function signOut() {
  forget();
  location.replace("/console");
}

// The same, and then back to the page that was shown.
export function signInAgain() {
  forget();
  location.reload();
}

function forget() {
  key = null;
  caller = null;
}
