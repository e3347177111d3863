/* Files that the server wrote, saved by the browser; drawings become pixels here where a PNG is asked for. */
(function () {
  "use strict";
  const scope = window.beamscope;
  const LONGEST = 16000;
  const MOST_PIXELS = 2e8;

  function decode(file) {
    return file.encoding === "base64" ? Uint8Array.from(atob(file.content), (char) => char.charCodeAt(0)) : file.content;
  }

  /* Browsers refuse canvases beyond a length and an area: a larger drawing gets fewer pixels. */
  function fitScale(width, height, wanted) {
    return Math.min(wanted, LONGEST / Math.max(width, height), Math.sqrt(MOST_PIXELS / (width * height)));
  }

  /** The drawing of a file as a PNG. */
  async function paint(file) {
    const image = new Image();
    image.src = URL.createObjectURL(new Blob([file.content], { type: file.type }));
    try {
      await image.decode();
      const scale = fitScale(image.naturalWidth, image.naturalHeight, file.scale);
      const canvas = document.createElement("canvas");
      canvas.width = Math.round(image.naturalWidth * scale);
      canvas.height = Math.round(image.naturalHeight * scale);
      canvas.getContext("2d").drawImage(image, 0, 0, canvas.width, canvas.height);
      return await new Promise((resolve) => canvas.toBlob(resolve, "image/png"));
    } finally {
      URL.revokeObjectURL(image.src);
    }
  }

  /* The history is the browser's own, so it travels with the question. */
  async function report(pane) {
    const answer = await scope.call("report", { session: scope.sessionOf(pane) });
    if (!answer) {
      scope.notify("info", "Stopped; there is no report.");
    } else if (answer.notice) {
      scope.notify(answer.notice.kind, answer.notice.text);
    } else {
      scope.save(answer.download);
    }
  }

  document.addEventListener("click", (event) => {
    const pane = event.target.closest("[data-report]") && scope.active();
    if (pane && pane.state) {
      report(pane);
    }
  });

  /** Save a file that the server wrote; with a ``scale``, as a PNG. */
  scope.save = async function (file) {
    const blob = file.scale ? await paint(file) : new Blob([decode(file)], { type: file.type });
    const anchor = document.createElement("a");
    anchor.href = URL.createObjectURL(blob);
    anchor.download = file.filename;
    anchor.click();
    setTimeout(() => URL.revokeObjectURL(anchor.href), 1000);
  };
})();
