import CalibrationCore
import Foundation
import OnnxRuntime
import VideoPipeline

/// Clips × edits × seeds, decoded, with everything that the adapter's defaults leave open settled.
public struct CaseSet: Sendable {
  public struct Case: Sendable {
    public var key: CaseKey
    public var editName: String
    public var run: EditRun

    /// `wolf.mp4 · mirror`
    public var label: String { run.given.condition == nil ? key.clip : "\(key.clip) · \(editName)" }
  }

  public var cases: [Case]
  public var steps: Int
  public var frames: Int
  public var size: FrameSize
  public var edits: [Int]
  public var seed: UInt64
  /// What was taken for something else than it says.
  public var notes: [String] = []

  /// Decodes the clips, encodes them for a model of latents, and reads the texts. Without clips, each text is a case.
  /// - Parameter decodes: whether samples become clips, so that a missing decoder is told before the work.
  /// - Throws: `ToolError`: 64 for an edit or size that the adapter does not have and for what is missing, 65 and 66 for the
  ///   files, 69 without ffmpeg or the VAE's encoder.
  public init(
    clips: [String], options: SamplingOptions, model: EditingModel, decodes: Bool = true
  ) throws(ToolError) {
    let match = model.match
    let defaults = match.adapter.defaults
    steps = options.steps ?? defaults.steps
    do { frames = try Self.frames(clips, options, match.adapter) } catch { throw ToolError(error, model: "The model") }
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
      if decodes, match.adapter.latent != nil { try model.companions.check(.vaeDecoder) }
      let texts = try Self.texts(options, match) { notes.append($0) }
      for clip in clips.isEmpty ? [nil] : clips.map(Optional.some) {
        let given = try given(clip, model)
        for condition in conditions.isEmpty ? [nil] : conditions.map(Optional.some) {
          for text in texts {
            var given = given
            given.condition = condition?.id
            given.text = text.arrays
            given.negativeText = text.negative
            let name = [clip.map(Self.fileName), texts.count > 1 || clip == nil ? text.name : nil].compactMap { $0 }
            let size = given.source?.size ?? ClipSize(frames: frames, height: size.height, width: size.width)
            cases.append(
              Case(
                key: CaseKey(
                  clip: name.isEmpty ? "no clip" : name.joined(separator: " "),
                  edit: condition.map { Int($0.id) } ?? 0, seed: seed),
                editName: condition?.name ?? "no edit",
                run: try EditRun(
                  match, size: size, given: given, seed: seed, steps: steps, guidanceScale: options.guidanceScale)))
          }
        }
      }
    } catch {
      throw ToolError(error, model: "The model")
    }
  }

  /// Frames of every case: what is asked for, else one where pictures alone are edited, else the adapter's.
  static func frames(_ clips: [String], _ options: SamplingOptions, _ adapter: Adapter) throws -> Int {
    if let frames = options.frames { return frames }
    guard adapter.needsWholeSource, !clips.isEmpty, adapter.defaults.frames != 1 else { return adapter.defaults.frames }
    for clip in clips {
      guard FileManager.default.fileExists(atPath: clip) else { throw ToolError.missing(clip) }
      if try !FFmpeg.find().probe(clip).isPicture { return adapter.defaults.frames }
    }
    return 1
  }

  /// A clip as the model takes it; without one, a run starts from noise alone.
  private func given(_ clip: String?, _ model: EditingModel) throws -> RunInputs {
    guard let clip else {
      guard !model.match.adapter.needsSource else {
        throw ToolError("The adapter \(model.match.adapter.name) edits a clip; give one with --clip.", .usage)
      }
      return RunInputs()
    }
    guard FileManager.default.fileExists(atPath: clip) else { throw ToolError.missing(clip) }
    let adapter = model.match.adapter
    guard adapter.needsSource else {
      throw ToolError("The adapter \(adapter.name) makes clips from text alone; leave the clip out.", .usage)
    }
    let ffmpeg = try FFmpeg.find()
    // Of a model that goes on from the first frame, a picture is all that is needed.
    let needed = try !adapter.needsWholeSource && ffmpeg.probe(clip).isPicture ? 1 : frames
    let decoded = try ffmpeg.decode(clip, frames: needed, width: size.width, height: size.height)
    var given = RunInputs(source: decoded.extended(to: frames))
    guard adapter.latent != nil, let source = given.source, let channels = model.match.channels else { return given }
    let grid = try adapter.latentGrid(frames: frames, width: size.width, height: size.height)
    let autoencoder = try Autoencoder(adapter, channels: channels, grid: grid)
    func encoded(_ isNeeded: Bool, _ video: Video) throws -> [Float]? {
      isNeeded ? try model.companions.encoded(video, autoencoder) : nil
    }
    given.sourceLatents = try encoded(adapter.needsWholeSource, source)
    given.blankLatents = try encoded(adapter.needsBlank, source.grey(from: 0))
    given.firstFrameLatents = try encoded(adapter.needsFirstFrame, source.grey(from: 1))
    return given
  }

  private struct Text {
    var name: String?
    var arrays: [String: Tensor] = [:]
    var negative: [String: Tensor] = [:]
  }

  private static func texts(
    _ options: SamplingOptions, _ match: AdapterMatch, note: (String) -> Void
  ) throws -> [Text] {
    // Embeddings are no whole numbers: of two bytes, they are bfloat16's bits, which .npz has no type for.
    let masks = Set(match.inputs.filter { $0.role == .textMask }.map { $0.array ?? $0.port.name })
    func read(_ path: String) throws -> [String: Tensor] {
      var arrays = try ArrayFile.read(path)
      for (name, array) in arrays where array.elementType == .uint16 && !masks.contains(name) {
        arrays[name] = try Tensor(.bfloat16, shape: array.shape, bytes: array.bytes)
        note("\(path), array '\(name)', is uint16: it is taken for bfloat16's bits.")
      }
      return arrays
    }
    let negative = try options.negativeText.map(read) ?? [:]
    guard !options.texts.isEmpty else { return [Text(negative: negative)] }
    return try options.texts.map { Text(name: fileName($0), arrays: try read($0), negative: negative) }
  }

  private static func fileName(_ path: String) -> String { URL(fileURLWithPath: path).lastPathComponent }

  /// `8 frames of 128x128, 12 steps`
  public var description: String {
    "\(frames) frame\(frames == 1 ? "" : "s") of \(size.width)x\(size.height), \(steps) step\(steps == 1 ? "" : "s")"
  }
}
