import Foundation
import OnnxRuntime
import Reporting
import VideoPipeline

/// `run`: one clip through the adapter's sampler, or tensors as they are.
public struct RunJob: Sendable {
  public var model: String
  public var options: SamplingOptions
  /// Where the clip or the arrays go, in the format of its ending: `ClipFormat`, `ArrayFile`.
  public var output: String
  /// Results in arrays as float32, whatever floating-point type the model gives.
  public var asFloat32 = false

  public init(model: String, options: SamplingOptions, output: String) {
    self.model = model
    self.options = options
    self.output = output
  }

  public struct Report: Sendable {
    public var model: String
    public var output: String
    public var clip: String?
    public var edit: String?
    public var steps: Int
    public var stepSeconds: Double
    public var seconds: Double
    /// What the user should know besides.
    public var notes: [String] = []
  }

  private var writesArrays: Bool { ArrayFile.endings.contains(where: output.hasSuffix) }

  /// What the output's name asks for can be written: known before the work.
  private func checkFormat() throws(ToolError) {
    guard !writesArrays, let format = ClipFormat(path: output) else { return }
    do throws(ClipError) { try FFmpeg.find().checkEncoder(for: format) } catch { throw ToolError(error, model: output) }
  }

  private func checkLength(_ frames: Int) throws(ToolError) {
    guard !writesArrays, ClipFormat(path: output)?.isPicture == true, frames != 1 else { return }
    throw ToolError(
      "\(output) is a picture, which holds one frame, and the result has \(frames); give -o OUT.mp4, or --frames 1.",
      .usage)
  }

  private func refuseCUDA() throws(ToolError) {
    if options.device == .cuda {
      throw ToolError("--device cuda is not part of this version; leave it out to run on the processor.", .unavailable)
    }
  }

  private func files(_ input: String?, _ role: String) -> CommandFiles {
    var files = CommandFiles()
    files.readModel(model, "the model")
    files.read(input, role)
    files.read(options, beside: model)
    files.write(output, "the result")
    return files
  }

  /// Edits a clip, or makes one from text alone.
  public func run(clip: String?, progress: ProgressReporter) throws(ToolError) -> Report {
    try refuseCUDA()
    try files(clip, "the clip").check()
    try AtomicFile.checkWritable(output)
    try checkFormat()
    if let frames = options.frames { try checkLength(frames) }
    var loading = EditingModel.Loading(options)
    loading.takesArrays = true
    let loaded = try EditingModel(path: model, loading: loading)
    if options.edits.count > 1 {
      throw ToolError("run edits with one --edit at a time; compare and calibrate take several.", .usage)
    }
    if options.texts.count > 1 {
      throw ToolError("run takes one --text; compare and calibrate take several.", .usage)
    }
    do { try checkLength(CaseSet.frames(clip.map { [$0] } ?? [], options, loaded.match.adapter)) } catch {
      throw ToolError(error, model: model)
    }
    let set = try CaseSet(clips: clip.map { [$0] } ?? [], options: options, model: loaded, decodes: !writesArrays)
    let point = try Self.point(options.quality, of: loaded)
    let start = ContinuousClock.now
    let edited = set.cases[0]
    progress.begin("Sampling \(edited.label), \(set.description)", total: set.steps)
    let sampling = try loaded.sampling(edited.run, point: point) { seconds in
      progress.advance(note: "\(NumberFormat.fixed(seconds)) s a step")
    }
    progress.finish()
    var notes = set.notes
    if writesArrays {
      do {
        try AtomicFile.write(try ArrayFile.encode([try Self.array(sampling)], for: output), to: output)
      } catch { throw ToolError(error, model: output) }
    } else {
      if let clip, let source = edited.run.given.source, source.isUneven {
        notes.append(
          "\(clip) has a variable frame rate; \(output) has its frames evenly, at their mean of "
            + "\(NumberFormat.fixed(source.rate.value)) a second.")
      }
      let video: Video
      do { video = try sampling.finished().video } catch { throw ToolError(error, model: model) }
      let temporary = AtomicFile.temporaryPath(for: output)
      do {
        try FFmpeg.find().encode(video, to: temporary)
      } catch {
        AtomicFile.discard(temporary)
        // The temporary file is not the user's business.
        if case .cannotWrite(_, let reason) = error { throw AtomicFile.failure(output, reason) }
        throw ToolError(error, model: output)
      }
      try AtomicFile.commit(temporary, to: output)
    }
    return Report(
      model: model, output: output, clip: clip, edit: edited.editName, steps: set.steps,
      stepSeconds: median(sampling.stepSeconds), seconds: (ContinuousClock.now - start) / .seconds(1), notes: notes)
  }

  /// Always float32: `sample`, the clip [1, 3, F, H, W]; of a model of latents those, `latents` [1, C, F, H, W] as the
  /// model has them.
  private static func array(_ sampling: SamplingInProgress) throws -> (name: String, array: Tensor) {
    let run = sampling.run
    if let video = run.video(sampling.x) {
      return ("sample", try Tensor(floats: video.values, shape: video.shape, as: .float32))
    }
    let shape = [1, run.channels, run.grid.frames, run.grid.rows, run.grid.columns]
    return ("latents", try Tensor(floats: sampling.x, shape: shape, as: .float32))
  }

  static func point(_ quality: Quality?, of model: EditingModel) throws(ToolError) -> Int? {
    guard let quality else { return nil }
    guard let dial = model.dial else {
      throw ToolError("\(model.path) has no quality dial; calibrate makes models that have one.", .usage)
    }
    return dial.point(quality)
  }

  /// Runs the model once on the arrays of a file, one for each input, and writes one for each output.
  public func run(inputs: String) throws(ToolError) -> Report {
    try refuseCUDA()
    try files(inputs, "the file of arrays").check()
    try AtomicFile.checkWritable(output)
    do {
      var notes: [String] = []
      let session = try PlainSession(path: model, threads: options.threads ?? 0).session
      if let reason = ArrayFile.refusal(of: session.outputs) {
        throw ToolError("\(reason); nothing was run.", .dataError)
      }
      let arrays = ArrayFile.fitted(try ArrayFile.read(inputs), to: session.inputs) { notes.append($0) }
      let start = ContinuousClock.now
      var results = try session.run(arrays).sorted { $0.key < $1.key }.map { (name: $0.key, array: $0.value) }
      let seconds = (ContinuousClock.now - start) / .seconds(1)
      if asFloat32 { results = try ArrayFile.asFloat32(results) }
      let halves = results.filter { $0.array.elementType == .bfloat16 }.map(\.name)
      if !halves.isEmpty, !output.hasSuffix(".safetensors") {
        notes.append(
          "bfloat16 stands in \(output) as two bytes (numpy: .view(ml_dtypes.bfloat16)): "
            + "\(halves.joined(separator: ", ")). "
            + "--float32 writes float32 instead.")
      }
      try AtomicFile.write(try ArrayFile.encode(results, for: output), to: output)
      return Report(
        model: model, output: output, clip: nil, edit: nil, steps: 1, stepSeconds: seconds, seconds: seconds,
        notes: notes)
    } catch {
      throw ToolError(error, model: model)
    }
  }
}
