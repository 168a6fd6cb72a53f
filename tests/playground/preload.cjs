"use strict";
// The playground listens on every interface. Loaded before it, this binds whatever names no host to 127.0.0.1.

const { Server } = require("node:net");

const listen = Server.prototype.listen;
const isPort = (value) => typeof value === "number" || /^[0-9]+$/.test(String(value));

Server.prototype.listen = function (...args) {
  const [first, second] = args;
  if (first === undefined || first === null || typeof first === "function") {
    const callback = typeof first === "function" ? [first] : args.slice(1);
    return listen.call(this, 0, "127.0.0.1", ...callback);
  }
  if (typeof first === "object" && "port" in first && !first.host) {
    return listen.call(this, { ...first, host: "127.0.0.1" }, ...args.slice(1));
  }
  if (isPort(first) && typeof second !== "string") {
    const rest = second === undefined || second === null ? args.slice(2) : args.slice(1);
    return listen.call(this, Number(first), "127.0.0.1", ...rest);
  }
  return listen.apply(this, args);
};
