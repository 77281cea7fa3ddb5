import AttentionPatterns
import Foundation
import GraphRewriting
import ONNXGraph
import SparseAttention
import VideoPipeline

/// A model with its sites, ready to be patched in memory as often as is wanted.
public struct Patcher: Sendable {
  public let model: Model
  public let adapter: AdapterMatch?
  /// Every attention, with its segments and the reason where it cannot be replaced.
  public let sites: [Site]
  private let finder: SiteFinder

  /// - Parameters:
  ///   - segments: as `--segments` gives them; else the adapter's, else what the graph shows.
  ///   - adapter: by name or file; nil: recognised from the model's inputs.
  /// - Throws: `ToolError` 65 where the segments do not add up to any site's sequence, 78 where the adapter does not
  ///   fit.
  public init(_ model: Model, segments: String? = nil, adapter: String? = nil) throws(ToolError) {
    self.model = model
    let finder = SiteFinder(model)
    self.finder = finder
    self.adapter = try ModelAdapter.match(model, named: adapter)
    var sites = finder.sites()
    if let segments {
      let given: GivenSegments
      do throws(GivenSegments.SyntaxError) { given = try GivenSegments(parsing: segments) } catch {
        throw ToolError(error.message, .usage)
      }
      let unknown = given.segments.flatMap { [$0.length] + ($0.grid ?? []) }.first { !finder.canCompute($0) }
      if let unknown {
        let names = Set(model.graph.inputs.flatMap { ($0.shape ?? []).flatMap { $0?.symbols ?? [] } }).sorted()
        throw ToolError(
          "The length \(unknown) does not follow from the inputs of \(model.path), whose dimensions are "
            + "\(names.isEmpty ? "fixed" : names.joined(separator: ", ")); correct --segments.", .usage)
      }
      guard Self.assign(given, to: &sites) > 0 else {
        let lengths = Set(sites.compactMap { $0.keyLength?.description }).sorted()
        throw ToolError(
          sites.isEmpty
            ? "\(model.path) holds no attention that segments could be given to; leave --segments out."
            : "The segments add up to \(given.total) tokens, but the sequences that \(model.path) attends to have "
              + "\(lengths.isEmpty ? "no known length" : lengths.joined(separator: " or ")); correct --segments.",
          .dataError)
      }
    } else if let given = self.adapter.flatMap(ModelAdapter.segments) {
      Self.join(given, to: &sites)
    }
    self.sites = sites
  }

  /// True where a site's masks are a bias on the scores, which exact policies alone take.
  func needsBias(_ site: Site) -> Bool {
    guard let attention = site.attention, let view = finder.views.first(where: { $0.graph.path == site.path })
    else { return false }
    return attention.needsBias(in: view)
  }

  /// Sites of a patched model, as its own nodes tell them.
  var replacedSites: [(node: String, site: Site)] { finder.replacedSites() }

  /// What has a softmax and is no site, and why.
  public var otherSoftmaxes: [OtherSoftmax] { finder.otherSoftmaxes(besides: sites) }

  /// What is wrong with the model itself: nodes that no run can compute.
  public var warnings: [String] { finder.inference.invalidNodes().map(\.message) }

  /// As the user says, whatever the graph shows.
  private static func assign(_ given: GivenSegments, to sites: inout [Site]) -> Int {
    var count = 0
    for position in sites.indices where given.fit(sites[position].keyLength) {
      sites[position].segments = given.segments
      if given.fit(sites[position].queryLength) { sites[position].querySegments = given.segments }
      count += 1
    }
    return count
  }

  /// As the adapter says, where the graph itself does not show more.
  private static func join(_ given: GivenSegments, to sites: inout [Site]) {
    for position in sites.indices where sites[position].kind != .cross {
      let site = sites[position]
      if let joined = given.joined(to: site.segments, order: site.segmentOrder, length: site.keyLength) {
        sites[position].segments = joined
        let isWhole = given.fit(site.keyLength)
        if isWhole { sites[position].segmentsAreUnsure = false }
        if site.queryLength == site.keyLength,
          site.querySegments == site.segments || site.querySegments.isEmpty && isWhole
        {
          sites[position].querySegments = joined
          continue
        }
      }
      if !site.querySegments.isEmpty,
        let joined = given.joined(to: site.querySegments, order: [], length: site.queryLength)
      {
        sites[position].querySegments = joined
      }
    }
  }

  /// The model with the plan's sites replaced.
  ///
  /// - Parameter metadata: entries to be recorded.
  /// - Returns: the file's own bytes where the plan replaces nothing.
  /// - Throws: `ToolError` 70 where the result is no legal graph: nothing of it is to be used.
  public func patched(_ plan: PatchPlan, metadata: [(key: String, value: String)] = []) throws(ToolError) -> [UInt8] {
    let replaceable = Set(sites.filter(\.isReplaceable).map(\.name))
    var treatments = plan.treatments.filter { replaceable.contains($0.key) }
    for site in SharedBodies.conflicts(sites, chosen: Set(treatments.keys)).keys { treatments[site] = nil }
    if !treatments.isEmpty, let violation = GraphSpecification.violation(in: model, madeFrom: model) {
      throw ToolError("\(model.path) is no legal graph: \(violation) Export the model again.", .dataError)
    }
    var delta = SiteRewriter.delta(
      finder, sites: sites, treatments: treatments, statistics: plan.statistics,
      withBody: plan.isPortable)
    guard !delta.isEmpty else { return model.withBytes { Array($0) } }
    delta.metadata = metadata
    var bytes: [UInt8]
    let result: Model
    do throws(ModelError) {
      bytes = try delta.applied(to: model)
      // Models that ONNX Runtime saved alone have any.
      let names = RuntimeNames.delta(for: model)
      if !names.isEmpty {
        let patched = try Model.load(bytes: bytes, path: model.path)
        bytes = try RuntimeNames.delta(for: patched).applied(to: patched)
      }
    } catch {
      throw ToolError(error)
    }
    if plan.isPortable { bytes += try PortableModel.body(for: bytes, path: model.path) }
    do throws(ModelError) { result = try Model.load(bytes: bytes, path: model.path) } catch { throw ToolError(error) }
    if let violation = GraphSpecification.violation(in: result, madeFrom: model) {
      throw ToolError("Patching \(model.path) made a graph that is not legal: \(violation)", .softwareBug)
    }
    return bytes
  }
}

extension ToolError {
  public init(_ error: ModelError) {
    self.init(error.message, ExitStatus(rawValue: error.category.exitCode) ?? .softwareBug)
  }
}
