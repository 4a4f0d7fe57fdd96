/** Choosing microphone, camera and loudspeaker. A kind with nothing to choose from is left out. */

import type { RoomModel } from "../model";
import { clean } from "../text";

const KINDS = [
  { kind: "audioinput", chosen: "mic", label: "Microphone" },
  { kind: "videoinput", chosen: "camera", label: "Camera" },
  { kind: "audiooutput", chosen: "speaker", label: "Loudspeaker" },
] as const;

export function Devices({ model }: { model: RoomModel }) {
  const pickers = KINDS.map((one) => ({
    ...one,
    devices: model.devices.value.filter(({ kind, deviceId }) => kind === one.kind && deviceId !== ""),
  })).filter(({ devices }) => devices.length > 1);
  if (pickers.length === 0) return null;
  return (
    <details class="devices">
      <summary>Devices</summary>
      {pickers.map(({ kind, chosen, label, devices }) => (
        <label key={kind}>
          {label}
          <select
            data-testid={`device-${chosen}`}
            value={(model.chosen.value[chosen] as Partial<MediaDeviceInfo>).deviceId ?? devices[0]?.deviceId}
            onChange={(event) => model.choose(kind, event.currentTarget.value)}
          >
            {devices.map((device, index) => (
              <option key={device.deviceId} value={device.deviceId}>
                {clean(device.label, 60) || `${label} ${index + 1}`}
              </option>
            ))}
          </select>
        </label>
      ))}
    </details>
  );
}
