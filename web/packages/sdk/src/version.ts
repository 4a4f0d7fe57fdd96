/** The SDK's version, as `Daily.version()` and the server are told it. */
export const VERSION = "0.1.0";
