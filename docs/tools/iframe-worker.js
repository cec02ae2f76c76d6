// Browsers start no worker from a page that was opened as a file. The search of the theme runs in one, so there it
// runs in a hidden frame instead, which gets the same messages.
if (location.protocol === "file:" && "Worker" in window) {
  window.Worker = class extends EventTarget {
    constructor(url) {
      super()
      this.onmessage = this.onerror = null
      const frame = document.createElement("iframe")
      frame.hidden = true
      document.body.appendChild(frame)
      const inside = frame.contentWindow
      inside.importScripts = (...urls) => urls.reduce((before, each) => before.then(() => new Promise((done, failed) => {
        const script = inside.document.createElement("script")
        script.src = each
        script.onload = done
        script.onerror = failed
        inside.document.body.appendChild(script)
      })), Promise.resolve())
      inside.postMessage = data => {
        const event = new MessageEvent("message", { data })
        this.dispatchEvent(event)
        if (this.onmessage) this.onmessage(event)
      }
      this.ready = inside.importScripts(new URL(url, location.href).href)
      this.inside = inside
      this.frame = frame
    }
    postMessage(data) {
      this.ready = this.ready.then(() => this.inside.dispatchEvent(new MessageEvent("message", { data })))
    }
    terminate() {
      this.frame.remove()
    }
  }
}
