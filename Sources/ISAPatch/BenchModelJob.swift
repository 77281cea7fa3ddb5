import Foundation
import Reporting

/// `bench model`: a step's time split into attention and the rest, by ONNX Runtime's profile.
public struct BenchModelJob: Sendable {
  public var model: String
  public var patched: String?
  public var options: SamplingOptions
  /// Arrays for the model's inputs (`.npz`), for a model without an adapter; else a step of its sampler.
  public var inputs: String?
  /// Measured steps; one more warms up.
  public var repeats: Int

  public init(
    model: String, patched: String? = nil, options: SamplingOptions = SamplingOptions(), inputs: String? = nil,
    repeats: Int = 2
  ) {
    self.model = model
    self.patched = patched
    self.options = options
    self.inputs = inputs
    self.repeats = repeats
  }

  /// - Throws: `ToolError`: 65, 66 for the files, 69 for what is missing, 78 where no adapter fits.
  public func run(progress: ProgressReporter) throws(ToolError) -> BenchModelReport {
    if options.device == .cuda {
      throw ToolError("--device cuda is not part of this version; leave it out to measure the processor.", .unavailable)
    }
    let folder = FileManager.default.temporaryDirectory.appendingPathComponent("isa-patch-\(UUID().uuidString)")
    do {
      try FileManager.default.createDirectory(
        at: folder, withIntermediateDirectories: true, attributes: [.posixPermissions: 0o700])
    } catch {
      throw ToolError("\(folder.path) cannot be made; set TMPDIR to a folder that can be written.", .cannotCreate)
    }
    defer { try? FileManager.default.removeItem(at: folder) }
    do {
      let paths = [model] + (patched.map { [$0] } ?? [])
      var subjects = try paths.enumerated().map { index, path in
        let prefix = folder.appendingPathComponent("\(index)").path
        return try inputs.map { try BenchModelSubject(path, inputs: $0, options, profilePrefix: prefix) }
          ?? BenchModelSubject(path, options, profilePrefix: prefix)
      }
      // What the patch took in besides the sites' own nodes was attention's too.
      if subjects.count == 2 { subjects[0].addAttention(subjects[0].nodes.subtracting(subjects[1].nodes)) }
      progress.begin("\(subjects[0].size), \(repeats) steps each", total: repeats + 1)
      for _ in 0...repeats {
        for subject in subjects { try subject.step() }
        progress.advance()
      }
      progress.finish()
      return BenchModelReport(
        machine: Machine.current.description, size: subjects[0].size,
        threads: options.threads ?? Machine.current.cores,
        models: try subjects.map { try $0.split(skipping: 1) })
    } catch {
      throw ToolError(error, model: model)
    }
  }
}
