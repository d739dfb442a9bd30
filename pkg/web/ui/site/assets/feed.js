// The live feed: a websocket that is opened again whenever it is lost, after a
// pause that grows and is jittered, so that many windows do not come at once.

const first = 500; // ms
const longest = 20_000;
const silent = 8_000; // without a word for so long, somebody should ask whether it is dead

/**
 * Events: "state", "overview" (detail: the overview), "incident" (detail: the
 * incident), "resync" (what was read before is not to be trusted: read again),
 * "quiet" (nothing came for long: answer with alive() or dead()).
 */
export class Feed extends EventTarget {
  state = "off"; // off, connecting, live, lost
  lostAt = 0; // since when it is not live, 0 = it is
  nextTry = 0;
  #cursor = null;
  #tries = 0;
  #socket = null;
  #timer = 0;
  #watch = 0;
  #newest = 0; // when the last message came, ms since 1970
  #asking = false;

  start() {
    if (this.state !== "off") return;
    this.lostAt = Date.now();
    this.#watch = setInterval(() => this.#look(), 1000);
    window.addEventListener("online", this.retry);
    this.#open();
  }

  stop() {
    clearInterval(this.#watch);
    clearTimeout(this.#timer);
    window.removeEventListener("online", this.retry);
    this.#drop();
    this.#cursor = null;
    this.#tries = 0;
    this.#set("off");
  }

  /** Tries at once. */
  retry = () => {
    if (this.state !== "lost") return;
    clearTimeout(this.#timer);
    this.#open();
  };

  #open() {
    this.#set("connecting");
    const url = new URL("/api/v1/feed", location.href);
    url.protocol = location.protocol === "https:" ? "wss:" : "ws:";
    if (this.#cursor !== null) url.searchParams.set("after", this.#cursor);
    const socket = new WebSocket(url);
    this.#socket = socket;
    this.alive();
    socket.onmessage = (e) => { if (socket === this.#socket) this.#hear(e.data); };
    socket.onclose = () => { if (socket === this.#socket) this.#lost(); };
    socket.onerror = () => {}; // close follows
  }

  #hear(data) {
    this.alive();
    let m;
    try {
      m = JSON.parse(data);
    } catch {
      return; // not ours; the next one may be
    }
    if (m.cursor !== undefined && m.cursor !== null) this.#cursor = m.cursor;
    switch (m.type) {
      case "hello": {
        this.#tries = 0;
        this.lostAt = 0;
        this.#set("live");
        break;
      }
      case "overview":
        this.#tell("overview", m.overview ?? m);
        break;
      case "incident":
        this.#tell("incident", m.incident);
        break;
      case "resync":
        this.#cursor = null;
        this.#drop();
        this.#tell("resync");
        this.#lost(0);
        break;
    }
  }

  #lost(pause = this.#pause()) {
    this.#socket = null;
    if (!this.lostAt) this.lostAt = Date.now();
    this.#tries++;
    this.nextTry = Date.now() + pause;
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#open(), pause);
    this.#set("lost");
  }

  /** Half of the pause is certain, half is chance. */
  #pause() {
    const most = Math.min(longest, first * 2 ** Math.min(this.#tries, 10));
    return most / 2 + Math.random() * most / 2;
  }

  // A dead connection looks like a quiet one, and the browser shows no pings.
  #look() {
    const quiet = Date.now() - this.#newest > silent;
    if (this.state === "connecting" && quiet) this.dead();
    if (this.state === "live" && quiet && !this.#asking) {
      this.#asking = true;
      this.#tell("quiet");
    }
  }

  /** The server has answered otherwise. */
  alive() {
    this.#asking = false;
    this.#newest = Date.now();
  }

  /** It has not: open a new connection. */
  dead() {
    this.#asking = false;
    if (this.state !== "live" && this.state !== "connecting") return;
    this.#drop();
    this.#lost();
  }

  #drop() {
    const socket = this.#socket;
    this.#socket = null;
    socket?.close();
  }

  #set(state) {
    if (this.state === state) return;
    this.state = state;
    this.#tell("state");
  }

  #tell(type, detail) {
    this.dispatchEvent(new CustomEvent(type, { detail }));
  }
}
