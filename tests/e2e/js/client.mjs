// One client on the SDK and crypto of Element Web, one process each. Reads one JSON command a line on stdin,
// {"id": 1, "command": "join", ...}, answers {"id": 1, "ok": ...} or {"id": 1, "error": "..."} on stdout.
// Ends with its stdin, so it never outlives the test. Everything else it has to say goes to stderr.

import { createHash } from "node:crypto";
import { createInterface } from "node:readline";

for (const level of ["trace", "debug", "log", "info", "warn"]) console[level] = console.error;

Promise.withResolvers ??= function () { // Node 20 lacks it; without it the SDK fails at sending, misleadingly
  let resolve, reject;
  const promise = new Promise((...settle) => { [resolve, reject] = settle; });
  return { promise, resolve, reject };
};

const sdk = await import("matrix-js-sdk");
const { PollStartEvent } = await import("matrix-js-sdk/lib/extensible_events_v1/PollStartEvent.js");
const { PollResponseEvent } = await import("matrix-js-sdk/lib/extensible_events_v1/PollResponseEvent.js");
const { PollEndEvent } = await import("matrix-js-sdk/lib/extensible_events_v1/PollEndEvent.js");
const cryptoApi = await import("matrix-js-sdk/lib/crypto-api/index.js");

const quiet = { trace() {}, debug() {}, info() {}, warn: console.error, error: console.error, getChild: () => quiet };

const SETTLED = ["m.room.encrypted"]; // of this type and not failed = still being decrypted
let client = null;

// ---------------------------------------------------------------- commands

const commands = {
  async login({ url, user_id, password, device_name, signed_devices_only = false, cross_sign = true, threads = false }) {
    const session = await sdk.createClient({ baseUrl: url }).loginRequest({
      type: "m.login.password",
      identifier: { type: "m.id.user", user: user_id },
      password,
      initial_device_display_name: device_name,
    });
    client = sdk.createClient({
      baseUrl: url,
      userId: session.user_id,
      deviceId: session.device_id,
      accessToken: session.access_token,
      cryptoCallbacks: secretStorage(password),
      logger: quiet,
    });
    await client.initRustCrypto({ useIndexedDB: false });
    commands.isolation({ signed_devices_only });
    await client.startClient({ initialSyncLimit: 100, threadSupport: threads });
    await happened(sdk.ClientEvent.Sync, (state) => state === "PREPARED" || state === "SYNCING");
    if (cross_sign) await crossSign(session.user_id, password);
    return commands.device();
  },

  // An application service's user, on a device that it has made, with nothing but the recovery key.
  async recover({ url, user_id, device_id, access_token, recovery_key }) {
    client = sdk.createClient({
      baseUrl: url,
      userId: user_id,
      deviceId: device_id,
      accessToken: access_token,
      queryParams: { user_id, device_id },
      cryptoCallbacks: {
        getSecretStorageKey: async ({ keys }) => [Object.keys(keys)[0], cryptoApi.decodeRecoveryKey(recovery_key)],
      },
      logger: quiet,
    });
    await client.initRustCrypto({ useIndexedDB: false });
    await client.startClient({ initialSyncLimit: 100 });
    await happened(sdk.ClientEvent.Sync, (state) => state === "PREPARED" || state === "SYNCING");
    const crypto = client.getCrypto();
    await crypto.userHasCrossSigningKeys(user_id, true); // it takes private keys only of a known identity
    await crypto.bootstrapCrossSigning({});
    await crypto.loadSessionBackupPrivateKeyFromSecretStorage();
    const trust = await crypto.isKeyBackupTrusted(await crypto.getKeyBackupInfo());
    const { imported, total } = await crypto.restoreKeyBackup();
    return { ...(await crypto.getCrossSigningStatus()), ...trust, imported, total };
  },

  isolation({ signed_devices_only }) {
    client.getCrypto().setDeviceIsolationMode(signed_devices_only
      ? new cryptoApi.OnlySignedDevicesIsolationMode()
      : new cryptoApi.AllDevicesIsolationMode(false));
    return { signed_devices_only };
  },

  async device() {
    const crypto = client.getCrypto();
    const trust = await crypto.getDeviceVerificationStatus(client.getUserId(), client.getDeviceId());
    return {
      user_id: client.getUserId(),
      device_id: client.getDeviceId(),
      access_token: client.getAccessToken(),
      signed: Boolean(trust?.signedByOwner),
      ...(await crypto.getOwnDeviceKeys()),
    };
  },

  async devices_of({ user_id }) {
    const crypto = client.getCrypto();
    const found = (await crypto.getUserDeviceInfo([user_id], true)).get(user_id) ?? new Map();
    return Promise.all([...found.values()].map(async ({ deviceId, displayName }) => {
      const trust = await crypto.getDeviceVerificationStatus(user_id, deviceId);
      return { device_id: deviceId, display_name: displayName ?? null, signed: Boolean(trust?.signedByOwner) };
    }));
  },

  rooms() {
    return client.getRooms().map((room) => ({
      room_id: room.roomId, name: room.name, membership: room.getMyMembership(),
    }));
  },

  async wait_for_room({ room_id, membership = "join", timeout = 20 }) {
    await until(() => client.getRoom(room_id)?.getMyMembership() === membership, timeout,
      () => `no membership ${membership} in ${room_id} but ${client.getRoom(room_id)?.getMyMembership()}`);
    return { room_id, membership };
  },

  async create_room({ invite = [], name, encrypted = true }) {
    const state = [{ type: "m.room.encryption", state_key: "", content: { algorithm: "m.megolm.v1.aes-sha2" } }];
    const { room_id } = await client.createRoom({ invite, name, initial_state: encrypted ? state : [] });
    await commands.wait_for_room({ room_id });
    return { room_id };
  },

  async join({ room_id }) {
    await client.joinRoom(room_id);
    return commands.wait_for_room({ room_id });
  },

  async leave({ room_id }) {
    await client.leave(room_id);
    return commands.wait_for_room({ room_id, membership: "leave" });
  },

  async send({ room_id, type = "m.room.message", content }) {
    const { event_id } = await client.sendEvent(room_id, type, content);
    return { event_id };
  },

  // Polls as Element makes them, and counts them: by the SDK's own models.

  async start_poll({ room_id, question, answers, kind, max_selections = 1 }) {
    const made = PollStartEvent.from(question, answers, `org.matrix.msc3381.poll.${kind}`, max_selections).serialize();
    return client.sendEvent(room_id, made.type, made.content);
  },

  async vote({ room_id, event_id, texts }) {
    const polls = () => client.getRoom(room_id)?.polls;
    await until(() => polls()?.has(event_id), 20, () => `no poll ${event_id} but ${[...polls()?.keys() ?? []]}`);
    const { answers } = polls().get(event_id).pollEvent;
    const ids = texts.map((text) => answers.find((answer) => answer.text === text).id);
    const made = PollResponseEvent.from(ids, event_id).serialize();
    made.content[made.type] ??= {};
    made.content[made.type].answers = ids; // the SDK leaves none out instead of writing none
    return client.sendEvent(room_id, made.type, made.content);
  },

  async end_poll({ room_id, event_id }) {
    const made = PollEndEvent.from(event_id, "The poll is over").serialize();
    return client.sendEvent(room_id, made.type, made.content);
  },

  async poll({ room_id, event_id }) {
    const poll = client.getRoom(room_id)?.polls.get(event_id);
    if (!poll) return null;
    const latest = new Map(); // of each person, as in Element's MPollBody
    for (const event of (await poll.getResponses()).getRelations()) {
      const known = latest.get(event.getSender());
      if (!known || known.getTs() < event.getTs()) latest.set(event.getSender(), event);
    }
    const counts = Object.fromEntries(poll.pollEvent.answers.map((answer) => [answer.text, 0]));
    for (const event of latest.values()) {
      const response = event.unstableExtensibleEvent;
      response.validateAgainst(poll.pollEvent);
      if (response.spoiled) continue;
      for (const id of response.answerIds) counts[poll.pollEvent.answers.find((answer) => answer.id === id).text] += 1;
    }
    const { question, kind, maxSelections } = poll.pollEvent;
    return {
      question: question.text, kind: kind.name, max_selections: maxSelections, counts,
      ended: poll.isEnded, undecryptable: poll.undecryptableRelationsCount,
    };
  },

  async redact({ room_id, event_id }) {
    return client.redactEvent(room_id, event_id);
  },

  async read({ room_id, event_id }) {
    await client.sendReadReceipt(client.getRoom(room_id).findEventById(event_id));
    return {};
  },

  async typing({ room_id, typing = true }) {
    await client.sendTyping(room_id, typing, 20_000);
    return {};
  },

  async wait_for_typing({ room_id, user_ids, timeout = 20 }) {
    const now = () => client.getRoom(room_id).getMembers().filter((member) => member.typing).map((member) => member.userId).sort();
    const wanted = JSON.stringify([...user_ids].sort());
    await until(() => JSON.stringify(now()) === wanted, timeout, () => `not ${wanted} but ${JSON.stringify(now())} type`);
    return {};
  },

  // Up to which event somebody has read, by their own receipt.
  async wait_for_receipt({ room_id, user_id, event_id, timeout = 20 }) {
    const read = () => client.getRoom(room_id).getEventReadUpTo(user_id, true);
    await until(() => read() === event_id, timeout, () => `${user_id} has not read ${event_id} but ${read()}`);
    return {};
  },

  // What others have said since one's own receipt, as Element would count it.
  unread({ room_id }) {
    const room = client.getRoom(room_id);
    const events = room.getLiveTimeline().getEvents();
    const read = events.findIndex((event) => event.getId() === room.getEventReadUpTo(client.getUserId(), true));
    return events.slice(read + 1).filter((event) => event.getType() === "m.room.message" && !event.isRedacted()
      && event.getSender() !== client.getUserId() && !event.isRelation("m.replace")).length;
  },

  async presence({ presence }) {
    await client.setSyncPresence(presence);
    await client.setPresence({ presence });
    return {};
  },

  async timeline({ room_id }) {
    const events = client.getRoom(room_id)?.getLiveTimeline().getEvents() ?? [];
    return Promise.all(events.filter((event) => !event.isState()).map(entry));
  },

  async wait_for_text({ room_id, body, timeout = 20 }) {
    return waitFor(room_id, (event) => event.getContent().body === body, timeout, `a message ${JSON.stringify(body)}`);
  },

  // Settled: decrypted, or failed for a reason that is told.
  async wait_for_event({ room_id, event_id, timeout = 20 }) {
    return waitFor(room_id, (event) => event.getId() === event_id && settled(event), timeout, `event ${event_id}`);
  },

  async logout() {
    await client.logout(true);
    client = null;
    return {};
  },

  quit() {
    client?.stopClient();
    setImmediate(() => process.exit(0));
    return {};
  },
};

// ---------------------------------------------------------------- what they stand on

async function crossSign(user_id, password) {
  const crypto = client.getCrypto();
  await crypto.userHasCrossSigningKeys(user_id, true); // fetches those of an earlier device: it has to know them
  await crypto.bootstrapCrossSigning({
    authUploadDeviceSigningKeys: (request) => request({
      type: "m.login.password", identifier: { type: "m.id.user", user: user_id }, password,
    }),
  });
  if (!await crypto.isSecretStorageReady()) {
    // As Element does: a later device of the user finds the keys there and signs itself.
    await crypto.bootstrapSecretStorage({
      createSecretStorageKey: async () => ({ privateKey: secretKey(password) }),
    });
  }
  // The SDK believes its own signature once the server has shown it.
  await until(async () => (await commands.device()).signed, 20, () => "the own device is not signed");
}

function secretStorage(password) {
  return { getSecretStorageKey: async ({ keys }) => [Object.keys(keys)[0], secretKey(password)] };
}

function secretKey(password) { // in place of the recovery key a person writes down
  return new Uint8Array(createHash("sha256").update(password).digest());
}

async function entry(event) {
  const encrypted = event.isEncrypted();
  const shield = encrypted ? await client.getCrypto().getEncryptionInfoForEvent(event) : null;
  return {
    event_id: event.getId(),
    sender: event.getSender(),
    type: event.getType(),
    body: event.isDecryptionFailure() ? "" : (event.getContent().body ?? ""),
    content: event.getContent(),
    encrypted,
    failure: event.decryptionFailureReason ?? null,
    shield: shield && { colour: shield.shieldColour, reason: shield.shieldReason },
    replaced_by: event.replacingEventId() ?? null,
    redacted: event.isRedacted(),
  };
}

// What stands in threads, too: of those the SDK keeps timelines of their own, where it is to know threads.
function said(room) {
  return room ? [room.getLiveTimeline(), ...room.getThreads().map((thread) => thread.liveTimeline)].flatMap((one) => one.getEvents()) : [];
}

function settled(event) {
  return event.isDecryptionFailure() || !SETTLED.includes(event.getType());
}

async function waitFor(room_id, matches, timeout, what) {
  const find = () => said(client.getRoom(room_id)).find((event) => !event.isState() && matches(event));
  await until(find, timeout, async () => `did not see ${what}, but ${JSON.stringify(await commands.timeline({ room_id }))}`);
  return entry(find());
}

// Whatever the SDK emits is a reason to look again.
const LOOK_AGAIN = [
  sdk.ClientEvent.Sync, sdk.ClientEvent.Event, sdk.MatrixEventEvent.Decrypted, sdk.RoomEvent.Timeline,
  sdk.RoomEvent.MyMembership, sdk.MatrixEventEvent.Replaced, sdk.RoomEvent.Redaction,
  cryptoApi.CryptoEvent.DevicesUpdated, sdk.RoomMemberEvent.Typing, sdk.RoomEvent.Receipt, sdk.ThreadEvent.New, sdk.ThreadEvent.NewReply, sdk.ThreadEvent.Update,
];

async function until(condition, timeout, complaint) {
  if (await condition()) return;
  const { promise, resolve } = Promise.withResolvers();
  const look = async () => { if (await condition()) resolve(true); };
  const timer = setTimeout(() => resolve(false), timeout * 1000);
  for (const name of LOOK_AGAIN) client.on(name, look);
  const seen = await promise;
  clearTimeout(timer);
  for (const name of LOOK_AGAIN) client.off(name, look);
  if (!seen) throw new Error(`after ${timeout} s: ${await complaint()}`);
}

function happened(name, matches) {
  const { promise, resolve } = Promise.withResolvers();
  const look = (...args) => { if (matches(...args)) { client.off(name, look); resolve(); } };
  client.on(name, look);
  return promise;
}

async function answer(line) {
  const { id, command, ...args } = JSON.parse(line);
  let result;
  try {
    if (!Object.hasOwn(commands, command)) throw new Error(`unknown command ${command}`);
    if (client === null && !["login", "recover", "quit"].includes(command)) throw new Error("not signed in");
    result = { id, ok: await commands[command](args) };
  } catch (error) {
    console.error(error);
    result = { id, error: String(error?.message ?? error) };
  }
  process.stdout.write(JSON.stringify(result) + "\n");
}

createInterface({ input: process.stdin }).on("line", answer).on("close", () => process.exit(0));
