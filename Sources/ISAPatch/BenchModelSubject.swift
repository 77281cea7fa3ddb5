import AttentionPatterns
import Foundation
import ONNXGraph
import OnnxRuntime
import SparseAttention
import VideoPipeline

/// A model, and the one step that it repeats.
struct BenchModelSubject {
  let path: String
  /// In words.
  let size: String
  let step: () throws -> Void
  private let endProfiling: () throws(ToolError) -> String
  private(set) var attention: Set<String>
  let nodes: Set<String>
  private let sites: Int

  private init(
    _ loaded: Model, size: String, step: @escaping () throws -> Void,
    endProfiling: @escaping () throws(ToolError) -> String
  ) throws {
    let names = try Self.attentionNodes(loaded)
    path = loaded.path
    self.size = size
    self.step = step
    self.endProfiling = endProfiling
    attention = names.attention
    sites = names.sites
    nodes = Self.allNodes(loaded)
  }

  /// The first step of the adapter's sampler, on a made-up clip.
  init(_ path: String, _ options: SamplingOptions, profilePrefix: String) throws {
    let loaded = try Model.load(path: path)
    var loading = EditingModel.Loading(options, spinning: false, profilePrefix: profilePrefix)
    loading.takesArrays = true
    let model = try EditingModel(path: path, bytes: Self.named(loaded), loading: loading)
    let point = try RunJob.point(options.quality, of: model)
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
    let run = try EditRun(
      model.match, size: source.size, given: given, seed: options.seed ?? adapter.defaults.seed,
      steps: max(1, options.steps ?? adapter.defaults.steps), guidanceScale: options.guidanceScale)
    let calls = try run.calls(run.sampler.schedule.steps[0], x: run.noise)
    try self.init(
      loaded, size: "\(frames) frame\(frames == 1 ? "" : "s") of \(width)x\(height)",
      step: { _ = try model.evaluate(calls, of: run, point: point) },
      endProfiling: { () throws(ToolError) in try model.endProfiling() })
  }

  /// One run on the arrays of an `.npz`.
  init(_ path: String, inputs: String, _ options: SamplingOptions, profilePrefix: String) throws {
    let loaded = try Model.load(path: path)
    let session = try PlainSession(
      path: path, bytes: Self.named(loaded), threads: options.threads ?? 0, spinning: false,
      profilePrefix: profilePrefix
    ).session
    let arrays = ArrayFile.fitted(try ArrayFile.read(inputs), to: session.inputs)
    try self.init(
      loaded, size: inputs, step: { _ = try session.run(arrays) },
      endProfiling: { () throws(ToolError) in
        do { return try session.endProfiling() } catch { throw ToolError(error, model: path) }
      })
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
    var labels: Set<String> = []
    forEachNode(model) { node, _ in labels.insert(node.label) }
    return labels
  }

  /// The model with a name for every node, without which ONNX Runtime's profile could not tell them; nil where all have
  /// one.
  static func named(_ model: Model) throws -> [UInt8]? {
    var delta = ModelDelta()
    forEachNode(model) { node, location in
      if node.name.isEmpty { delta[location].renamedNodes[node.index] = node.label }
    }
    return delta.isEmpty ? nil : try delta.applied(to: model)
  }

  private static func forEachNode(_ model: Model, _ body: (Node, GraphLocation) -> Void) {
    func walk(_ nodes: [Node], _ location: GraphLocation) {
      for node in nodes {
        body(node, location)
        for graph in node.subgraphs { walk(graph.nodes, graph.location) }
      }
    }
    walk(model.graph.nodes, .main)
    for function in model.functions { walk(function.nodes, function.location) }
  }

  /// Ends profiling and splits the runs' time.
  func split(skipping warmUp: Int) throws(ToolError) -> BenchModelReport.Split {
    let profilePath = try endProfiling()
    guard let data = FileManager.default.contents(atPath: profilePath) else {
      throw .readFailed(profilePath, "it does not exist")
    }
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
      model: path, sites: sites, step: median(runs.map(\.seconds)),
      attention: median(runs.map { run in run.nodes.reduce(0) { $0 + (ours.contains($1.key) ? $1.value : 0) } }),
      rest: rest.map { ($0.key, median($0.value)) }.sorted { ($1.1, $0.0) < ($0.1, $1.0) })
  }
}
