// The paths of the last finished tracks over the newest picture of their camera; loaded where there are any.

/** @import { CameraSummary, PathList } from "../../wire" */

import { colourOf } from "../common/colours.js";
import { byId, canvasById, context2d } from "../common/dom.js";
import { tally } from "../common/own.js";
import { pictureOf } from "../common/rest.js";

/** @param {CameraSummary} camera @param {PathList["tracks"]} tracks newest first */
export async function drawPaths(camera, tracks) {
  const picture = await pictureOf(camera);
  const canvas = canvasById("paths-canvas");
  canvas.width = picture?.width ?? 960;
  canvas.height = picture?.height ?? 540;
  const context = context2d(canvas);
  if (picture) {
    context.filter = "grayscale(1) brightness(.6)";
    context.drawImage(picture, 0, 0);
    context.filter = "none";
  }
  context.lineWidth = Math.max(2, canvas.width / 320);
  context.lineJoin = "round";
  [...tracks].reverse().forEach(({ track_id, path }, i) => { // the newest is on top, and the older the fainter
    context.globalAlpha = 0.3 + (0.7 * (i + 1)) / tracks.length;
    context.strokeStyle = context.fillStyle = colourOf(track_id);
    context.beginPath();
    path.forEach(([, x, y]) => context.lineTo(x * canvas.width, y * canvas.height));
    context.stroke();
    const [, x, y] = path[path.length - 1];
    context.beginPath();
    context.arc(x * canvas.width, y * canvas.height, context.lineWidth * 2, 0, 2 * Math.PI);
    context.fill();
  });
  const what = tally(tracks.map(({ label }) => label));
  canvas.setAttribute("aria-label", `Paths: ${what}`);
  byId("paths-note").textContent = `The last ${tracks.length} finished tracks since the viewer started (${what}). A dot is where a path ends.`;
}
