// The connection of a live camera with the app on the same machine.

const ELSEWHERE = "The app can't be reached at 127.0.0.1. A live camera needs the browser and the app on one machine, without a container between them.";

export class LiveLink {
  /**
   * @param {string} address
   * @param {string} token
   * @param {{ ready: () => void, answer: (answer: LiveAnswer) => void, closed: (words: string) => void }} then
   */
  constructor(address, token, then) {
    let reached = false;
    this.left = false;
    this.socket = new WebSocket(address);
    this.socket.addEventListener("open", () => { reached = true; this.socket.send(token); });
    this.socket.addEventListener("message", ({ data }) => {
      if (this.left) return;
      const answer = JSON.parse(data);
      if (answer.ready) then.ready();
      else then.answer(answer);
    });
    this.ended = (/** @type {CloseEvent} */ event) => {
      then.closed(reached ? `The camera was stopped${event.reason ? `: ${event.reason}` : ": the app has ended"}.` : ELSEWHERE);
    };
    this.socket.addEventListener("close", this.ended);
  }
  /** @param {Uint8Array<ArrayBuffer>} picture */
  send(picture) {
    if (this.socket.readyState === WebSocket.OPEN) this.socket.send(picture);
  }
  /** Ends it without a word. */
  close() {
    this.left = true;
    this.socket.removeEventListener("close", this.ended);
    this.socket.close();
  }
}
