// What the viewer sends to its page, as types for the check of the JavaScript; not shipped.
// `make docs` makes them from the Python types of the wire and of the REST API.

export interface Ahead {
  timezone: string | null;
  days: DayAhead[];
  schedules: Record<string, SpanAhead[]>;
  modes: ModeAhead[];
  day_starts_us: number[];
  problems: string[];
}

export interface Alert {
  rule: string;
  severity: "critical" | "info" | "warning";
  text: string;
  trigger: "count" | "event" | "occupancy" | "offline" | "problem" | "stay";
  name: string | null;
  value: number | null;
  problem: "covered" | "frozen" | "low_rate" | "moved" | "out_of_focus" | "washed_out" | "wrong_colours" | null;
  notify: string[] | null;
}

export interface AlertEntry {
  id: number;
  event_id: string;
  node: string;
  camera: string | null;
  rule: string;
  name: string | null;
  severity: "critical" | "info" | "warning";
  text: string;
  trigger: "count" | "event" | "occupancy" | "offline" | "problem" | "stay";
  value: number | null;
  problem: "covered" | "frozen" | "low_rate" | "moved" | "out_of_focus" | "washed_out" | "wrong_colours" | null;
  zone: string | null;
  label: string | null;
  track_id: number | null;
  direction: "in" | "out" | null;
  dwell_s: number | null;
  count: number | null;
  box: [number, number, number, number] | null;
  occurred_us: number;
  stored_us: number;
  late: boolean;
  node_name: string | null;
  camera_name: string | null;
  zone_name: string | null;
  picture_url: string | null;
  deliveries: Delivery[];
}

export interface AlertList {
  alerts: AlertEntry[];
  next: string | null;
}

export interface Calendar {
  node: string;
  session: string;
  published_us: number;
  version: number;
  schema: "darner.calendar/1";
  timezone: string | null;
  location: Location | null;
  day_starts: string[];
  modes: Record<string, ModeDefinition>;
  schedules: Record<string, ScheduleDefinition>;
}

export interface CalendarList {
  nodes: NodeCalendar[];
  total: number;
}

export interface CalendarSaved {
  version: number;
  warnings: string[];
}

export interface CameraChoice {
  camera: string;
  name: string | null;
  places: PlaceChoice[];
}

export interface CameraEntry {
  source: string;
  login: boolean;
  origin: "added" | "changed" | "configuration";
  name: string | null;
  transport: "auto" | "tcp" | "udp";
  reader: "auto" | "ffmpeg" | "gstreamer";
  detect_every: number;
  max_fps: number;
  schedule: string | null;
}

export interface CameraFound {
  id: string;
  title: string;
  address: string;
  streams: StreamFound[];
  chosen: number | null;
  notes: string[];
  denied: boolean;
}

export interface CameraInfo {
  camera: string;
  source: string;
  zones: number;
  lines: number;
  name: string | null;
  clock: "arrival" | "media" | "sender" | "stream" | null;
  reader: string | null;
  decoder: "cpu" | "gpu" | null;
  decoder_reason: string | null;
}

export interface CameraList {
  cameras: CameraSummary[];
  total: number;
}

export interface CameraMetrics {
  fps_in: number;
  fps_out: number;
  captured: number;
  processed: number;
  dropped: number;
  thumbnails: number;
  thumbnails_unwatched: number;
  still: number;
  looks: Record<string, number>;
  ignored: Record<string, number>;
  collected: CollectMetrics | null;
}

export interface CameraProblem {
  problem: "covered" | "frozen" | "low_rate" | "moved" | "out_of_focus" | "washed_out" | "wrong_colours";
  since_us: number;
  shift: ViewShift | null;
}

export interface CameraSettingsList {
  nodes: NodeCameras[];
  total: number;
}

export interface CameraStatus {
  node: string;
  session: string;
  published_us: number;
  camera: string;
  status: "ended" | "paused" | "reconnecting" | "starting" | "streaming";
  since_us: number;
  schema: "darner.camera-status/1";
  reason: string | null;
}

export interface CameraSummary {
  node: string;
  camera: string;
  name: string | null;
  node_name: string | null;
  status: CameraStatus | null;
  health: Health | null;
  source: string | null;
  zones: number;
  lines: number;
  picture_url: string;
}

export interface CameraTried {
  codec: string | null;
  width: number;
  height: number;
  fps: number | null;
  first_s: number;
  jpeg_base64: string;
}

export interface Cameras {
  node: string;
  session: string;
  published_us: number;
  version: number;
  changeable: "any" | "network" | "off";
  schema: "darner.cameras/1";
  why_not: string | null;
  cameras: Record<string, CameraEntry>;
}

export interface CamerasFound {
  detector_side: number;
  cameras: CameraFound[];
  left_out: number;
}

export interface CamerasSaved {
  version: number;
  restarts: boolean;
}

export interface CollectMetrics {
  pictures: number;
  bytes: number;
  dropped: Record<string, number>;
  last_reason: string | null;
  last_captured_us: number | null;
  trouble: string | null;
}

export interface Condition {
  trigger: "count" | "event" | "occupancy" | "offline" | "problem" | "stay";
  events: ("crowd_ended" | "crowd_started" | "line_crossed" | "loitering" | "presence_ended" | "presence_started" | "queue_ended" | "queue_started" | "track_started" | "zone_entered" | "zone_exited" | "zone_lost")[];
  zones: string[];
  classes: string[];
  direction: "in" | "out" | null;
  for_s: number;
  dwell_s: number | null;
  at_least: number | null;
  at_most: number | null;
  within_s: number | null;
  problems: ("covered" | "frozen" | "low_rate" | "moved" | "out_of_focus" | "washed_out" | "wrong_colours")[];
}

export interface Crowd {
  count: number;
  after_s: number;
}

export interface DayAhead {
  from_us: number;
  to_us: number;
}

export interface DayCounters {
  since_us: number;
  entered: number;
  exited: number;
  by_class: Record<string, Flow>;
}

export interface DaySpan {
  start: string;
  end: string;
}

export interface DeliveriesChanged {
  changed: number;
}

export interface Delivery {
  target: string;
  state: "delivered" | "dropped" | "unknown" | "waiting";
  attempts: number;
  first_us: number | null;
  last_us: number | null;
  due_us: number | null;
  detail: string;
}

export interface DetectAnswer {
  node: string;
  width: number;
  height: number;
  timings_ms: Record<string, number>;
  objects: FoundObject[];
  backend: string | null;
}

export interface DetectedObject {
  age_s: number;
  box: [number, number, number, number];
  class_id: number;
  label: string;
  predicted: boolean;
  score: number;
  speed_m_s: number | null;
  track_id: number;
  velocity: [number, number];
  zones: string[];
}

export interface DetectionsMessage {
  node: string;
  session: string;
  published_us: number;
  camera: string;
  seq: number;
  captured_us: number;
  width: number;
  height: number;
  timings_ms: Record<string, number>;
  dropped: number;
  objects: DetectedObject[];
  schema: "darner.detections/1";
  main_track_id: number | null;
  ignored: IgnoredObject[];
  looked: [number, number, number, number][];
}

export interface Dwell {
  ongoing_average_s: number;
  ongoing_max_s: number;
  completed: number;
  average_s: number;
  max_s: number;
  p90_s: number;
}

export interface Event {
  node: string;
  session: string;
  published_us: number;
  camera: string;
  seq: number;
  captured_us: number;
  event_id: string;
  type: "alert" | "crowd_ended" | "crowd_started" | "gap" | "line_crossed" | "loitering" | "presence_ended" | "presence_started" | "problem_ended" | "problem_started" | "queue_ended" | "queue_started" | "track_ended" | "track_linked" | "track_started" | "zone_entered" | "zone_exited" | "zone_lost";
  occurred_us: number;
  schema: "darner.event/1";
  track_id: number | null;
  class_id: number | null;
  label: string | null;
  zone: string | null;
  direction: "in" | "out" | null;
  dwell_s: number | null;
  count: number | null;
  snapshot: string | null;
  linked_track_id: number | null;
  box: [number, number, number, number] | null;
  boot: string | null;
  number: number | null;
  oldest: number | null;
  problem: "covered" | "frozen" | "low_rate" | "moved" | "out_of_focus" | "washed_out" | "wrong_colours" | null;
  shift: ViewShift | null;
  alert: Alert | null;
  gap: Gap | null;
  historical: boolean;
}

export interface EventList {
  events: StoredEvent[];
  next: string | null;
}

export interface ExceptionDays {
  first: string;
  last: string | null;
  spans: DaySpan[];
}

export interface FilterDefinition {
  min_size: number | null;
  max_size: number | null;
  min_aspect: number | null;
  max_aspect: number | null;
  score: number | null;
}

export interface Flow {
  entered: number;
  exited: number;
}

export interface FoundObject {
  class_id: number;
  label: string;
  score: number;
  box: [number, number, number, number];
}

export interface Gap {
  boot: string;
  first: number;
  last: number;
  count: number;
}

export interface GpuMetrics {
  index: number;
  name: string;
  utilisation_percent: number | null;
  memory_used_mb: number | null;
  memory_total_mb: number | null;
  temperature_c: number | null;
  power_w: number | null;
  throttled: string[];
  memory_peak_mb: number | null;
  own_memory_mb: number | null;
  own_memory_peak_mb: number | null;
}

export interface Health {
  node: string;
  session: string;
  published_us: number;
  camera: string;
  schema: "darner.health/1";
  problems: CameraProblem[];
  paused: boolean;
  reference_us: number | null;
}

export interface HeatmapAnswer {
  node: string;
  camera: string;
  seconds: number[][];
}

export interface IgnoredObject {
  box: [number, number, number, number];
  class_id: number;
  label: string;
  mask: string | null;
  reason: "mask" | "max_aspect" | "max_size" | "min_aspect" | "min_size" | "score";
  score: number;
}

export interface LabelBox {
  label: string;
  box: [number, number, number, number];
  score: number | null;
  id: number | string | null;
}

export interface LabelList {
  pictures: string[];
  matching: number;
  progress: LabelProgress;
  classes: string[];
  reasons: Record<string, number>;
  skipped: number;
  notes: string[];
}

export interface LabelPicture {
  name: string;
  version: string;
  state: "accepted" | "annotated" | "corrected" | "empty" | null;
  width: number | null;
  height: number | null;
  problem: string | null;
  boxes: LabelBox[];
  reasons: string[];
  camera: string | null;
  captured_us: number | null;
  light: number | null;
  model: string | null;
}

export interface LabelProgress {
  total: number;
  decided: number;
  hours: number;
  hours_decided: number;
}

export interface LabelSaved {
  state: "accepted" | "annotated" | "corrected" | "empty" | null;
  version: string;
  progress: LabelProgress;
}

export interface LimitReached {
  node: string | null;
  limit: string;
  allowed: number;
  count: number;
  last_us: number;
  says: string;
}

export interface LineDefinition {
  points: [[number, number], [number, number]];
  name: string | null;
  classes: string[];
  anchor: "bottom_center" | "center" | "center_left" | "center_right" | "top_center";
  band: number;
  schedule: string | null;
}

export interface Location {
  latitude: number;
  longitude: number;
}

export interface MaskDefinition {
  polygon: [number, number][];
  classes: string[];
  by: "anchor" | "overlap";
  anchor: "bottom_center" | "center" | "center_left" | "center_right" | "top_center";
  overlap: number;
  schedule: string | null;
}

export interface Metrics {
  node: string;
  session: string;
  published_us: number;
  uptime_s: number;
  cameras: Record<string, CameraMetrics>;
  stages_ms: Record<string, Quantiles>;
  cpu_percent: number;
  memory_mb: number;
  publish_dropped: Record<string, number>;
  schema: "darner.metrics/1";
  outbox: OutboxMetrics | null;
  snapshots: SnapshotMetrics | null;
  stages: Record<string, StageMetrics>;
  batches: Record<string, number>;
  gpus: GpuMetrics[];
  temperatures_c: Record<string, number>;
  throttled: string[];
}

export interface ModeAhead {
  from_us: number;
  to_us: number;
  mode: string | null;
}

export interface ModeDefinition {
  name: string | null;
  during: string | null;
}

export interface ModeSet {
  mode: string;
  next_change_us: number | null;
}

export interface ModeState {
  node: string;
  session: string;
  published_us: number;
  mode: string | null;
  since_us: number;
  schema: "darner.mode/1";
  by_hand: boolean;
  timezone: string | null;
  next_mode: string | null;
  next_change_us: number | null;
  schedules: Record<string, ScheduleNow>;
}

export interface ModelInfo {
  name: string;
  classes: string[];
  input_width: number;
  input_height: number;
  layout: string;
  sha256: string | null;
  parent: string | null;
  data: string | null;
  made: string | null;
}

export interface NodeCalendar {
  node: string;
  name: string | null;
  online: boolean;
  capable: boolean;
  calendar: Calendar | null;
  mode: ModeState | null;
}

export interface NodeCameras {
  node: string;
  name: string | null;
  online: boolean;
  settings: Cameras | null;
  schedules: Record<string, string | null> | null;
}

export interface NodeInfo {
  node: string;
  session: string;
  published_us: number;
  version: string;
  cameras: CameraInfo[];
  model: ModelInfo;
  backend: string;
  device: string;
  tracker: string;
  capabilities: string[];
  schema: "darner.info/1";
  name: string | null;
}

export interface NodeList {
  now_us: number;
  nodes: NodeSummary[];
  total: number;
  limits: LimitReached[];
}

export interface NodeRules {
  node: string;
  name: string | null;
  online: boolean;
  can: boolean;
  rules: Rules | null;
  cameras: CameraChoice[];
  classes: string[];
  schedules: ScheduleChoice[];
}

export interface NodeStatus {
  node: string;
  session: string;
  published_us: number;
  status: "offline" | "online";
  version: string;
  schema: "darner.status/1";
  reason: string | null;
}

export interface NodeSummary {
  node: string;
  status: NodeStatus | null;
  info: NodeInfo | null;
  metrics: Metrics | null;
}

export interface OutboxMetrics {
  backlog: number;
  bytes: number;
  dropped: number;
  on_disk: boolean;
}

export interface PathList {
  node: string;
  camera: string;
  tracks: TrackPath[];
}

export interface PlaceChoice {
  zone: string;
  name: string | null;
  kind: "line" | "zone";
  says: ("crowd" | "loitering" | "presence" | "queue")[];
}

export interface Presence {
  on_after_s: number;
  off_after_s: number;
}

export interface Quantiles {
  count: number;
  p50: number;
  p90: number;
  p95: number;
  p99: number;
}

export interface Queue {
  length: number;
  wait_average_s: number;
  wait_longest_s: number;
  completed: number;
  completed_average_s: number;
}

export interface RuleDefinition {
  when: Condition;
  name: string | null;
  cameras: string[];
  enabled: boolean;
  schedule: string | null;
  first_of: "day" | "schedule" | null;
  cooldown_s: number;
  object_cooldown_s: number;
  severity: "critical" | "info" | "warning";
  text: string | null;
  picture: "frame" | "none" | "object";
  notify: string[] | null;
}

export interface RuleDraft {
  id: string;
  rule: RuleDefinition;
}

export interface RuleHit {
  occurred_us: number;
  camera: string;
  camera_name: string | null;
  zone: string | null;
  zone_name: string | null;
  track_id: number | null;
  label: string | null;
  text: string;
  value: number | null;
  picture_url: string | null;
}

export interface RuleList {
  nodes: NodeRules[];
  total: number;
  targets: string[];
  history: boolean;
}

export interface RuleProblems {
  problems: string[];
}

export interface RuleReplay {
  hits: RuleHit[];
  total: number;
  held_back: number;
  events: number;
  begins_us: number | null;
  ends_us: number | null;
  notes: string[];
}

export interface Rules {
  node: string;
  session: string;
  published_us: number;
  version: number;
  schema: "darner.rules/1";
  rules: Record<string, RuleDefinition>;
  problems: Record<string, string[]>;
}

export interface RulesSaved {
  version: number;
  warnings: string[];
}

export interface ScheduleChoice {
  schedule: string;
  name: string | null;
}

export interface ScheduleDefinition {
  name: string | null;
  spans: Span[];
  exceptions: ExceptionDays[];
  modes: string[];
}

export interface ScheduleNow {
  active: boolean;
  next_change_us: number | null;
}

export interface SeriesPause {
  from_us: number;
  to_us: number;
  reason: string;
}

export interface SnapshotMetrics {
  waiting: number;
  bytes: number;
  dropped: Record<string, number>;
}

export interface Span {
  start: string;
  end: string;
  days: ("fri" | "mon" | "sat" | "sun" | "thu" | "tue" | "wed")[];
}

export interface SpanAhead {
  from_us: number;
  to_us: number;
}

export interface StageMetrics {
  waiting: number;
  dropped: number;
}

export interface StayBin {
  from_s: number;
  to_s: number;
  count: number;
}

export interface StoredEvent {
  node: string;
  session: string;
  published_us: number;
  camera: string;
  seq: number;
  captured_us: number;
  event_id: string;
  type: "alert" | "crowd_ended" | "crowd_started" | "gap" | "line_crossed" | "loitering" | "presence_ended" | "presence_started" | "problem_ended" | "problem_started" | "queue_ended" | "queue_started" | "track_ended" | "track_linked" | "track_started" | "zone_entered" | "zone_exited" | "zone_lost";
  occurred_us: number;
  schema: "darner.event/1";
  track_id: number | null;
  class_id: number | null;
  label: string | null;
  zone: string | null;
  direction: "in" | "out" | null;
  dwell_s: number | null;
  count: number | null;
  snapshot: string | null;
  linked_track_id: number | null;
  box: [number, number, number, number] | null;
  boot: string | null;
  number: number | null;
  oldest: number | null;
  problem: "covered" | "frozen" | "low_rate" | "moved" | "out_of_focus" | "washed_out" | "wrong_colours" | null;
  shift: ViewShift | null;
  alert: Alert | null;
  gap: Gap | null;
  historical: boolean;
  node_name: string | null;
  camera_name: string | null;
  zone_name: string | null;
  snapshot_url: string | null;
}

export interface StreamFound {
  source: string;
  profile: string;
  codec: string | null;
  width: number | null;
  height: number | null;
  fps: number | null;
}

export interface Suspect {
  id: string;
  class_id: number;
  label: string;
  box: [number, number, number, number];
  polygon: [number, number][];
  since_us: number;
  last_us: number;
  seen_share: number;
  score: number;
}

export interface Suspects {
  node: string;
  session: string;
  published_us: number;
  camera: string;
  suspects: Suspect[];
  schema: "darner.suspects/1";
}

export interface TargetEntry {
  name: string;
  kind: "apprise" | "webhook" | null;
  severity: "critical" | "info" | "warning" | null;
  configured: boolean;
  waiting: number;
  delivered: number;
  dropped: number;
  failing: number;
  detail: string;
  last_us: number | null;
  due_us: number | null;
}

export interface TargetList {
  targets: TargetEntry[];
}

export interface TestAnswer {
  delivered: boolean;
  detail: string;
  took_ms: number;
}

export interface TrackPath {
  track_id: number;
  label: string;
  started_us: number;
  ended_us: number;
  ended: "camera_stopped" | "left" | "lost" | "node_stopped";
  path: [number, number, number][];
}

export interface ViewAccepted {
  reference_us: number | null;
}

export interface ViewShift {
  dx: number;
  dy: number;
  degrees: number;
  scale: number;
}

export interface ZoneDefinition {
  polygon: [number, number][];
  name: string | null;
  classes: string[];
  anchor: "bottom_center" | "center" | "center_left" | "center_right" | "top_center";
  enter_after_s: number;
  exit_after_s: number;
  lost_after_s: number;
  queue: boolean;
  loitering_s: number | null;
  crowd: Crowd | null;
  presence: Presence | null;
  schedule: string | null;
}

export interface ZoneList {
  zones: ZoneSummary[];
}

export interface ZoneSeries {
  start_us: number[];
  step_s: number;
  entered: number[];
  exited: number[];
  lost: number[];
  occupancy_mean: (number | null)[];
  occupancy_peak: (number | null)[];
  cell_s: number;
  paused_s: number[];
  pauses: SeriesPause[];
  problems: SeriesPause[];
  node: string;
  camera: string;
  zone: string;
}

export interface ZoneState {
  node: string;
  session: string;
  published_us: number;
  camera: string;
  seq: number;
  captured_us: number;
  zone: string;
  kind: "line" | "zone";
  schema: "darner.zone/1";
  occupancy: number;
  entered: number;
  exited: number;
  lost: number;
  linked: number;
  by_class: Record<string, Flow>;
  dwell: Dwell;
  queue: Queue | null;
  loitering: number;
  loitering_ids: number[];
  crowded: boolean;
  present: boolean | null;
  day: DayCounters | null;
  paused: "covered" | "frozen" | "low_rate" | "moved" | "out_of_focus" | "schedule" | "washed_out" | "wrong_colours" | null;
  started_us: number | null;
  watched: boolean;
}

export interface ZoneStays {
  count: number;
  mean_s: number | null;
  p50_s: number | null;
  p90_s: number | null;
  bins: StayBin[];
  node: string;
  camera: string;
  zone: string;
}

export interface ZoneSummary {
  node: string;
  camera: string;
  zone: string;
  name: string | null;
  kind: string;
  current: boolean;
  queue: boolean;
  classes: string[];
  occupancy: number | null;
  paused: "covered" | "frozen" | "low_rate" | "moved" | "out_of_focus" | "schedule" | "washed_out" | "wrong_colours" | null;
  entered: number | null;
  exited: number | null;
}

export interface ZoneVersion {
  version: number;
  seen_us: number;
  zones: Record<string, ZoneDefinition>;
  lines: Record<string, LineDefinition>;
  masks: Record<string, MaskDefinition>;
  filters: Record<string, FilterDefinition>;
}

export interface ZoneVersions {
  versions: ZoneVersion[];
}

export interface Zones {
  node: string;
  session: string;
  published_us: number;
  camera: string;
  version: number;
  zones: Record<string, ZoneDefinition>;
  lines: Record<string, LineDefinition>;
  schema: "darner.zones/1";
  masks: Record<string, MaskDefinition>;
  filters: Record<string, FilterDefinition>;
}

export interface ZonesSaved {
  saved: boolean;
  version: number;
  warnings: string[];
}
