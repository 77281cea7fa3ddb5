import Reporting
import VideoPipeline

/// Source, full attention, patched and eight times their difference, a few frames each.
struct ComparisonSheet {
  var title: String
  /// nil where the model makes clips from text alone.
  var source: Video?
  var full: Video
  var patched: Video

  static let differenceGain: Float = 8

  func png() throws(ToolError) -> [UInt8] {
    let frames = ContactSheet.chosenFrames(of: full.frames, count: 5)
    func row(_ label: String, _ video: Video?) -> ContactSheet.Row {
      ContactSheet.Row(
        label,
        frames.compactMap { frame in
          video.flatMap { Picture(width: $0.width, height: $0.height, rgb: $0.rgb(frame: frame)) }
        })
    }
    let sheet = ContactSheet(
      title: title, columns: frames.map { "frame \($0)" },
      rows: (source.map { [row("source", $0)] } ?? []) + [
        row("full attention", full), row("patched", patched),
        row("difference x8", patched.difference(from: full, gain: Self.differenceGain)),
      ])
    guard let png = sheet.rendered().png else {
      throw ToolError("The contact sheet cannot be compressed; report this as a bug.", .softwareBug)
    }
    return png
  }
}
