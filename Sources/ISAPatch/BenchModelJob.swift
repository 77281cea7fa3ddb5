import AttentionPatterns
import Foundation
import ONNXGraph
import Reporting
import SparseAttention
import VideoPipeline

/// `bench model`: a step's time split into attention and the rest, by ONNX Runtime's profile.
public struct BenchModelJob: Sendable {
  public var model: String
  public var patched: String?
  public var options: SamplingOptions
  /// Measured steps; one more warms up.
  public var repeats: Int

  public init(model: String, patched: String? = nil, options: SamplingOptions = SamplingOptions(), repeats: Int = 2) {
    self.model = model
    self.patched = patched
    self.options = options
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
        try Subject(path, options, profilePrefix: folder.appendingPathComponent("\(index)").path)
      }
      // What the patch took in besides the sites' own nodes was attention's too.
      if subjects.count == 2 { subjects[0].addAttention(subjects[0].nodes.subtracting(subjects[1].nodes)) }
      progress.begin("\(subjects[0].size), \(repeats) steps each", total: repeats + 1)
      for _ in 0...repeats {
        for subject in subjects { _ = try subject.model.evaluate(subject.calls, of: subject.run, point: subject.point) }
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

  /// A model, and the one step that it repeats.
  private struct Subject {
    let model: EditingModel
    let run: EditRun
    let calls: [EditRun.Call]
    let point: Int?
    let size: String
    private(set) var attention: Set<String>
    let nodes: Set<String>
    private let sites: Int

    init(_ path: String, _ options: SamplingOptions, profilePrefix: String) throws {
      let loaded = try Model.load(path: path)
      let names = try Self.attentionNodes(loaded)
      attention = names.attention
      sites = names.sites
      nodes = Self.allNodes(loaded)
      model = try EditingModel(
        path: path, loading: .init(options, spinning: false, profilePrefix: profilePrefix))
      point = try RunJob.point(options.quality, of: model)
      let adapter = model.match.adapter
      let frames = options.frames ?? adapter.defaults.frames
      let width = options.size?.width ?? adapter.defaults.width
      let height = options.size?.height ?? adapter.defaults.height
      let (pixels, overflow) = (3 * frames).multipliedReportingOverflow(by: width * height)
      guard !overflow, pixels <= 1 << 31,
        let source = Video(
          frames: frames, height: height, width: width, values: Self.picture(frames, height, width))
      else { throw ToolError("A clip of \(frames) frames of \(width)x\(height) is too large; choose less.", .usage) }
      let condition = try options.edits.first.map { try adapter.condition($0) } ?? adapter.conditions.first
      let given = try RunInputs.invented(model.match, source: source, condition: condition?.id)
      run = try EditRun(
        model.match, size: source.size, given: given, seed: options.seed ?? adapter.defaults.seed,
        steps: max(1, options.steps ?? adapter.defaults.steps), guidanceScale: options.guidanceScale)
      calls = try run.calls(run.sampler.schedule.steps[0], x: run.noise)
      size = "\(frames) frames of \(width)x\(height)"
    }

    mutating func addAttention(_ names: Set<String>) { attention.formUnion(names) }

    /// Smooth in space and time, so that attention is as uneven as in a clip.
    private static func picture(_ frames: Int, _ height: Int, _ width: Int) -> [Float] {
      var values: [Float] = []
      values.reserveCapacity(3 * frames * height * width)
      for channel in 0..<3 {
        for frame in 0..<frames {
          for y in 0..<height {
            for x in 0..<width {
              values.append(Float(sin(0.11 * Double(x + 2 * frame) + Double(channel)) * cos(0.07 * Double(y - frame))))
            }
          }
        }
      }
      return values
    }

    private static func attentionNodes(_ model: Model) throws -> (attention: Set<String>, sites: Int) {
      if PatchedModel.isPatched(model) {
        // Kept sites are those of the original, whose nodes are still there.
        let report = try InspectJob(model: model.path).run()
        return (Set(report.sites.filter { !$0.replaced }.flatMap(\.nodes)), report.sites.count)
      }
      let patcher = try Patcher(model)
      let reports = patcher.sites.map { SiteReport($0, reason: nil, replaced: false) }
      return (Set(reports.flatMap(\.nodes)), reports.count)
    }

    private static func allNodes(_ model: Model) -> Set<String> {
      var names: Set<String> = []
      func walk(_ nodes: [Node]) {
        for node in nodes {
          names.insert(node.name)
          for graph in node.subgraphs { walk(graph.nodes) }
        }
      }
      walk(model.graph.nodes)
      for function in model.functions { walk(function.nodes) }
      names.remove("")
      return names
    }

    /// Ends profiling and splits the runs' time.
    func split(skipping warmUp: Int) throws(ToolError) -> BenchModelReport.Split {
      let path = try model.endProfiling()
      guard let data = FileManager.default.contents(atPath: path) else { throw .readFailed(path, "it does not exist") }
      let profile = try BenchProfile(json: data)
      let runs = profile.runs.dropFirst(warmUp)
      let ours = Set(
        profile.types.filter { name, type in
          type == RewriteNames.attention || BenchProfile.belongs(name, to: attention, of: nodes)
        }.keys)
      var rest: [String: [Double]] = [:]
      for run in runs {
        var types: [String: Double] = [:]
        for (name, seconds) in run.nodes where !ours.contains(name) {
          types[profile.types[name] ?? "?", default: 0] += seconds
        }
        for (type, seconds) in types { rest[type, default: []].append(seconds) }
      }
      return BenchModelReport.Split(
        model: model.path, sites: sites, step: median(runs.map(\.seconds)),
        attention: median(runs.map { run in run.nodes.reduce(0) { $0 + (ours.contains($1.key) ? $1.value : 0) } }),
        rest: rest.map { ($0.key, median($0.value)) }.sorted { ($1.1, $0.0) < ($0.1, $1.0) })
    }
  }
}
