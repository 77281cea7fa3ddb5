import CalibrationCore
import Foundation
import VideoPipeline

/// Clips × edits × seeds, decoded, with everything that the adapter's defaults leave open settled.
public struct CaseSet: Sendable {
  public struct Case: Sendable {
    public var key: CaseKey
    public var editName: String
    public var run: EditRun

    /// `wolf.mp4 · mirror`
    public var label: String { "\(key.clip) · \(editName)" }
  }

  public var cases: [Case]
  public var steps: Int
  public var frames: Int
  public var size: FrameSize
  public var edits: [Int]
  public var seed: UInt64

  /// Decodes the clips.
  /// - Throws: `ToolError`: 64 for an edit or size that the adapter does not have, 65 and 66 for the clips, 69 without ffmpeg.
  public init(clips: [String], options: SamplingOptions, match: AdapterMatch) throws(ToolError) {
    let defaults = match.adapter.defaults
    steps = options.steps ?? defaults.steps
    frames = options.frames ?? defaults.frames
    size = options.size ?? FrameSize(width: defaults.width, height: defaults.height)
    seed = options.seed ?? defaults.seed
    cases = []
    edits = []
    do {
      guard Set(clips.map { URL(fileURLWithPath: $0).lastPathComponent }).count == clips.count else {
        throw ToolError("Two clips have the same file name; rename one, as results are listed by it.", .usage)
      }
      var conditions = try options.edits.map { try match.adapter.condition($0) }
      if conditions.isEmpty, match.adapter.input(.condition) != nil {
        guard let first = match.adapter.conditions.first else {
          throw ToolError("The adapter \(match.adapter.name) needs an edit; give one with --edit.", .usage)
        }
        conditions = [first]
      }
      edits = conditions.map { Int($0.id) }
      let ffmpeg = try FFmpeg.find()
      for clip in clips {
        guard FileManager.default.fileExists(atPath: clip) else { throw ToolError.missing(clip) }
        let video = try ffmpeg.decode(clip, frames: frames, width: size.width, height: size.height)
        let name = URL(fileURLWithPath: clip).lastPathComponent
        for condition in conditions.isEmpty ? [nil] : conditions.map(Optional.some) {
          cases.append(
            Case(
              key: CaseKey(clip: name, edit: condition.map { Int($0.id) } ?? 0, seed: seed),
              editName: condition?.name ?? "no edit",
              run: try EditRun(match, source: video, condition: condition?.id, seed: seed, steps: steps)))
        }
      }
    } catch {
      throw ToolError(error, model: "The model")
    }
  }

  /// `8 frames of 128x128, 12 steps`
  public var description: String { "\(frames) frames of \(size.width)x\(size.height), \(steps) step\(steps == 1 ? "" : "s")" }
}
