// Types that the page's modules share; none of them is shipped. What comes from the wire is in wire.d.ts.

import type {
  Calendar, CameraStatus, DetectedObject, DetectionsMessage, Event, FilterDefinition, Health, LineDefinition, MaskDefinition, Metrics,
  ModeState, NodeInfo, NodeStatus, Rules, Suspects, ZoneDefinition, ZoneState, Zones,
} from "./wire";

export type Point = [number, number];
export type Box = DetectedObject["box"];
export type Anchor = ZoneDefinition["anchor"];
export type Kind = "zone" | "line" | "mask";

export interface Definitions {
  zones: Record<string, ZoneDefinition>;
  lines: Record<string, LineDefinition>;
  masks: Record<string, MaskDefinition>;
  /** By class; "all" holds for every class without its own. */
  filters: Record<string, FilterDefinition>;
}

export interface Version extends Definitions {
  version: number;
}

/** Everything in a definition except its points; a missing field stands for the node's default. */
export type Settings = Partial<
  Omit<ZoneDefinition, "polygon"> & Omit<LineDefinition, "points"> & Omit<MaskDefinition, "polygon">
>;

/** A zone, line or mask while it is edited. */
export interface Shape {
  kind: Kind;
  /** The identifier; what people call it is in `more`. */
  name: string;
  /** Whether the identifier follows the name for people: it was drawn just now, and nobody has chosen one. */
  follows?: boolean;
  points: Point[];
  more: Settings;
}

/** What the editor needs of the camera whose zones, lines and masks it edits. */
export interface EditedCamera {
  readonly node: string;
  readonly camera: string;
  /** Exactly as large as the picture. */
  readonly frame: HTMLElement;
  /** Where the editor's buttons go. */
  readonly tools: HTMLElement;
  readonly zones: Version | undefined;
  hidesZones: boolean;
  /** Whether the node knows masks. */
  readonly canMask: boolean;
  /** The same of names for people. */
  readonly canName: boolean;
  /** The node's schedules by identifier; null: the node knows none. */
  readonly schedules: Record<string, { name: string | null }> | null;
  readonly tracks: {
    readonly overMs: number;
    inside(points: Point[], anchor: Anchor | undefined, classes: string[]): number;
    crossings(points: Point[], anchor: Anchor | undefined, classes: string[]): { in: number; out: number };
    hidden(points: Point[], mask: Settings): number;
    dropped(filters: Definitions["filters"]): Record<string, number>;
  };
  setZones(zones: Version): void;
  repaint(): void;
}

/** What a question about a suspect needs of the camera. */
export interface AskedCamera extends Pick<EditedCamera, "node" | "camera" | "zones" | "hidesZones" | "setZones"> {
  /** Whether its page is open. */
  readonly isSolo: boolean;
  cutOut(box: Box, side: number): HTMLCanvasElement | null;
}

/** What the live page says about its connections. */
export interface About {
  /** Whether this page is connected to the viewer. */
  connected: boolean;
  /** Whether the viewer is connected to the broker; null before it has said so. */
  broker: boolean | null;
  /** The address of the broker that the viewer is connected to; null without a connection. */
  brokerAt: string | null;
  /** All addresses of the broker, with commas between them. */
  brokerUrl: string;
  prefix: string;
  /** What is shown while this page is not connected. */
  link: { kind: string; text: string };
}

/** The header of a binary message: one frame of one camera. */
export interface FrameHeader {
  node: string;
  camera: string;
  picture: { session: string; seq: number; width: number; height: number; received_us: number;
    /** Whether the detections are surely those of this picture. */
    matched: boolean };
  detections: DetectionsMessage;
  /** Detections messages of the session that did not reach the viewer. */
  lost: number;
}

/** A node in the list of names; without cameras, it is gone. */
export type NodeLine = [
  node: string, status?: string | null, cameras?: [camera: string, status: string | null, name?: string][], name?: string,
];

/** The websocket's text messages by type, as viewer_server/live/updates.py describes them. */
export interface Messages {
  hello: { server_us: number; version: string; broker: string; prefix: string };
  live: object;
  names: { nodes: NodeLine[] };
  shown: object;
  broker: { connected: boolean; address: string | null };
  pong: { client_ms: number; server_us: number };
  status: { node: string; message: NodeStatus | null };
  info: { node: string; message: NodeInfo | null };
  metrics: { node: string; message: Metrics | null };
  camera_status: { node: string; camera: string; message: CameraStatus | null };
  zones: { node: string; camera: string; message: Zones | null };
  zone: { node: string; camera: string; zone: string; message: ZoneState | null };
  suspects: { node: string; camera: string; message: Suspects | null };
  calendar: { node: string; message: Calendar | null };
  mode: { node: string; message: ModeState | null };
  rules: { node: string; message: Rules | null };
  health: { node: string; camera: string; message: Health | null };
  events: { node: string; camera: string; message: Event };
  picture: { node: string; camera: string; message: { refused: string } | null };
}

export type Message = { [T in keyof Messages]: { type: T } & Messages[T] }[keyof Messages];
