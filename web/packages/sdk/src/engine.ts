/** The browser as the SDK needs it, in one place so that tests bring their own. */

export interface Engine {
  createSocket: (url: string) => WebSocket;
  createPeer: (ice: Pick<RTCConfiguration, "iceServers" | "iceTransportPolicy">) => RTCPeerConnection;
  mediaDevices: MediaDevices | undefined;
  random: () => number;
}

export function browserEngine(): Engine {
  // Browsers leave `mediaDevices` out on pages that are not secure, whatever its type says.
  const { mediaDevices } = navigator as { mediaDevices?: MediaDevices };
  return {
    createSocket: (url) => new WebSocket(url),
    createPeer: (ice) => new RTCPeerConnection({ bundlePolicy: "max-bundle", ...ice }),
    mediaDevices,
    random: Math.random,
  };
}
