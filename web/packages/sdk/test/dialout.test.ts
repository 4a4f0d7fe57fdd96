import { describe, expect, test } from "vitest";
import { checkDialOut } from "../src/checks/dialout";
import { checkDtmf } from "../src/checks/dtmf";
import { checkRefer, checkTransfer } from "../src/checks/transfer";
import type { DailySendDtmfOptions, DailySipCallTransferOptions, DailyStartDialoutOptions } from "../src/types";

const URI = { sipUri: "sip:bob@example.com" };
const NUMBER = { phoneNumber: "+15551234" };

const REFUSED: [given: object, sentence: string][] = [
  [{}, "either a sip uri or phone number must be provided"],
  [{ ...URI, ...NUMBER }, "only one of sip uri or phone number must be provided"],
  [{ sipUri: 5 }, "sipUri must be a string"],
  [{ sipUri: "bob@example.com" }, "Invalid SIP URI, must start with 'sip:'"],
  [{ ...URI, video: "yes" }, "video must be a boolean value"],
  [{ ...URI, video: true, videoSettings: 1 }, "videoSettings must be an object"],
  [{ ...URI, videoSettings: { width: 100 } }, "videoSettings provided but video is not enabled"],
  [{ ...URI, video: true, videoSettings: { width: 0 } }, "videoSettings.width must be a positive integer"],
  [{ ...URI, video: true, videoSettings: { fps: 1.5 } }, "videoSettings.fps must be a positive integer"],
  [{ ...URI, video: true, videoSettings: { width: 1281 } }, "videoSettings.width must be less than or equal to 1280"],
  [{ ...URI, video: true, videoSettings: { height: 721 } }, "videoSettings.height must be less than or equal to 720"],
  [{ ...URI, video: true, videoSettings: { fps: 31 } }, "videoSettings.fps must be less than or equal to 30"],
  [
    { ...URI, video: true, videoSettings: { videoBitrate: 1001 } },
    "videoSettings.videoBitrate must be less than or equal to 1000 kbps",
  ],
  [{ ...URI, codecs: { audio: "PCMU" } }, "audio codec must be an array"],
  [{ ...URI, codecs: { audio: [] } }, "audio codec array specified but empty"],
  [{ ...URI, codecs: { audio: [1] } }, "audio codec must be a string"],
  [{ ...URI, codecs: { audio: ["G729"] } }, "audio codec must be one of OPUS, PCMU, PCMA, G722"],
  [{ ...URI, codecs: { video: "VP8" } }, "video codec must be an array"],
  [{ ...URI, codecs: { video: [] } }, "video codec array specified but empty"],
  [{ ...URI, codecs: { video: [1] } }, "video codec must be a string"],
  [{ ...URI, codecs: { video: ["AV1"] } }, "video codec must be H264 or VP8"],
  [{ phoneNumber: 5 }, "phoneNumber must be a string"],
  [{ phoneNumber: "030123" }, "Invalid phone number, must be valid phone number as per E.164"],
  [{ ...NUMBER, callerId: 5 }, "callerId must be a string"],
  [{ ...URI, callerId: "x" }, "callerId not allowed with sipUri"],
  [{ ...URI, displayName: 5 }, "displayName must be a string"],
  [{ ...URI, displayName: "x".repeat(200) }, "displayName length must be less than 200"],
  [{ ...URI, userId: 5 }, "userId must be a string"],
  [{ ...URI, userId: "x".repeat(37) }, "userId length must be less than or equal to 36"],
  [{ ...NUMBER, extension: 5 }, "extension must be a string"],
  [{ ...NUMBER, extension: "1".repeat(21) }, "extension length must be less than or equal to 20"],
  [{ ...NUMBER, extension: "1", waitBeforeExtensionDialSec: "1" }, "waitBeforeExtensionDialSec must be a number"],
  [{ ...NUMBER, extension: "1", waitBeforeExtensionDialSec: 61 }, "waitBeforeExtensionDialSec must be less than or equal to 60"],
  [{ ...NUMBER, waitBeforeExtensionDialSec: 1 }, "waitBeforeExtensionDialSec requires a phoneNumber and extension"],
  [{ ...NUMBER, provider: "daily" }, "provider valid only for sipUri, not phoneNumber"],
];

describe("startDialOut", () => {
  test.each(REFUSED)("refuses %j: %s", (given, sentence) => {
    expect(() => checkDialOut(given as DailyStartDialoutOptions)).toThrow(new Error(`Error starting dial out: ${sentence}`));
  });

  test("refuses an unknown provider without the usual beginning", () => {
    const given = { ...URI, provider: "acme" } as unknown as DailyStartDialoutOptions;
    expect(() => checkDialOut(given)).toThrow(
      new Error("Error: provider can be set only to 'daily' or 'signalwire', got: acme"),
    );
  });

  test("takes every limit to the brim and fills in the provider", () => {
    const given: DailyStartDialoutOptions = {
      ...URI,
      displayName: "x".repeat(199),
      userId: "y".repeat(36),
      video: true,
      videoSettings: { width: 1280, height: 720, fps: 30, videoBitrate: 1000 },
      codecs: { audio: ["OPUS", "G722", "PCMU", "PCMA"], video: ["H264", "VP8"] },
    };
    expect(checkDialOut(given)).toEqual({ ...given, provider: "signalwire" });
    expect(given).not.toHaveProperty("provider");
  });

  test("sends a number as it is, so that the same options work twice", () => {
    const given: DailyStartDialoutOptions = { ...NUMBER, extension: "12", waitBeforeExtensionDialSec: 60, callerId: "c" };
    expect(checkDialOut(checkDialOut(given))).toEqual(given);
  });
});

const REFUSED_TONES: [given: object, sentence: string][] = [
  [{ tones: "1" }, "sessionId and tones are mandatory parameter"],
  [{ sessionId: "s" }, "sessionId and tones are mandatory parameter"],
  [{ sessionId: "s", tones: 1 }, "sessionId and tones should be of string type"],
  [{ sessionId: "s", tones: "1".repeat(21) }, "tones string must be upto 20 characters"],
  [{ sessionId: "s", tones: "1x" }, "x is not valid DTMF tone"],
  [{ sessionId: "s", tones: "a" }, "a is not valid DTMF tone"],
  [{ sessionId: "s", tones: "1", method: "morse" }, "method must be one of 'sip-info', 'telephone-event', or 'auto'"],
  [{ sessionId: "s", tones: "1", digitDurationMs: "50" }, "digitDurationMs must be a number"],
  [{ sessionId: "s", tones: "1", digitDurationMs: 50.5 }, "digitDurationMs must be a finite integer number"],
  [{ sessionId: "s", tones: "1", digitDurationMs: NaN }, "digitDurationMs must be a finite integer number"],
  [{ sessionId: "s", tones: "1", digitDurationMs: 49 }, "digitDurationMs must be between 50ms and 2000ms"],
  [{ sessionId: "s", tones: "1", digitDurationMs: 2001 }, "digitDurationMs must be between 50ms and 2000ms"],
];

describe("sendDTMF", () => {
  test.each(REFUSED_TONES)("refuses %j: %s", (given, sentence) => {
    expect(() => checkDtmf(given as DailySendDtmfOptions)).toThrow(new Error(sentence));
  });

  test("takes every key and fills in the rest", () => {
    expect(checkDtmf({ sessionId: "s", tones: "0123456789ABCD*#" })).toEqual({
      sessionId: "s",
      tones: "0123456789ABCD*#",
      method: "auto",
      digitDurationMs: 500,
    });
  });
});

const REFUSED_TRANSFERS: [unknown, string][] = [
  [undefined, "sipCallTransfer() requires a sessionId and toEndPoint"],
  [{ sessionId: "s" }, "sipCallTransfer() requires a sessionId and toEndPoint"],
  [{ sessionId: 7, toEndPoint: "sip:a@b" }, "sessionId and toEndPoint should be of string type"],
  [{ sessionId: "s", toEndPoint: "bob" }, 'toEndPoint: bob must starts with either "sip:" or "+"'],
  [
    { sessionId: "s", toEndPoint: "sip:a@b", callerId: "+1" },
    "callerId is only valid when transferring to a PSTN number",
  ],
  [{ sessionId: "s", toEndPoint: "+1202", extension: 7 }, "extension must be a string"],
  [
    { sessionId: "s", toEndPoint: "+1202", extension: "1".repeat(21) },
    "extension length must be less than or equal to 20",
  ],
  [
    { sessionId: "s", toEndPoint: "sip:a@b", extension: "1" },
    "extension is only valid when transferring to a PSTN number",
  ],
  [
    { sessionId: "s", toEndPoint: "+1202", extension: "1", waitBeforeExtensionDialSec: 61 },
    "waitBeforeExtensionDialSec must be less than or equal to 60",
  ],
  [
    { sessionId: "s", toEndPoint: "+1202", waitBeforeExtensionDialSec: 1 },
    "waitBeforeExtensionDialSec requires a phoneNumber and extension",
  ],
];

describe("sipCallTransfer and sipRefer", () => {
  test.each(REFUSED_TRANSFERS)("refuses %j: %s", (given, sentence) => {
    expect(() => checkTransfer(given as DailySipCallTransferOptions)).toThrow(new Error(sentence));
  });

  test("say by which way", () => {
    const given = { sessionId: "s", toEndPoint: "sip:a@b" };
    expect(checkTransfer(given)).toEqual({ ...given, useSipRefer: false });
    expect(checkRefer(given)).toEqual({ ...given, useSipRefer: true });
  });

  test("refer to addresses only", () => {
    expect(() => checkRefer({ sessionId: "s", toEndPoint: "+1202" })).toThrow('"toEndPoint" must be a "sip" address');
  });
});
