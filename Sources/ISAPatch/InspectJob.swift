import AttentionPatterns
import CalibrationCore
import ONNXGraph
import SparseAttention

/// Says what attention a model holds, and for a patched one what it does in each site.
public struct InspectJob: Sendable {
  public var model: String
  public var selection: SiteSelection
  public var segments: String?
  public var adapter: String?

  public init(
    model: String, selection: SiteSelection = SiteSelection(), segments: String? = nil, adapter: String? = nil
  ) {
    self.model = model
    self.selection = selection
    self.segments = segments
    self.adapter = adapter
  }

  /// - Throws: `ToolError`: 66 no such model, 65 not a model or segments that do not add up, 64 a segment that
  ///   cannot be
  ///   read, 78 an adapter that does not fit.
  public func run() throws(ToolError) -> InspectReport {
    let loaded: Model
    do throws(ModelError) { loaded = try Model.load(path: model) } catch { throw ToolError(error) }
    guard PatchedModel.isPatched(loaded) else { return try report(loaded, policies: nil) }
    // The sites are those of the original, which the file carries.
    let policies = PatchedModel.policies(loaded)
    guard let original = original(of: loaded) else { return try changed(loaded, policies) }
    return try report(original, policies: policies)
  }

  /// - Returns: nil where the file was changed after it was patched, as quantisers, simplifiers and converters do.
  private func original(of patched: Model) -> Model? {
    try? patched.withBytes { bytes throws(ModelError) in
      try Model.load(bytes: try RestoreDelta.restored(from: bytes), path: model)
    }
  }

  /// What the nodes of a patched file say by themselves, and the sites that are still there.
  private func changed(
    _ patched: Model, _ policies: [(site: String, policy: SitePolicy)]
  ) throws(ToolError) -> InspectReport {
    let patcher = try Patcher(patched, segments: segments, adapter: adapter)
    let known = Dictionary(policies.map { ($0.site, $0.policy) }, uniquingKeysWith: { first, _ in first })
    var report = try report(patched, policies: [])
    let replaced = patcher.replacedSites.map { node, site in
      var entry = SiteReport(site, reason: nil, replaced: true)
      entry.policies = known[node].map { Profile.SiteRecord(name: site.name, policy: $0) }
      return entry
    }
    report.sites = replaced + report.sites
    report.warnings.insert(
      "\(model) was changed by another tool after it was patched: its sites are shown as its nodes tell them, and "
        + "restore cannot give back the original.", at: 0)
    return report
  }

  private func report(
    _ model: Model, policies: [(site: String, policy: SitePolicy)]?
  ) throws(ToolError) -> InspectReport {
    let patcher = try Patcher(model, segments: segments, adapter: adapter)
    var replaced = Dictionary((policies ?? []).map { ($0.site, $0.policy) }, uniquingKeysWith: { first, _ in first })
    // One node in a function's body stands for every call.
    for site in patcher.sites where site.location.function != nil && replaced[site.name] == nil {
      let same = patcher.sites.first {
        $0.location == site.location && $0.output == site.output && replaced[$0.name] != nil
      }
      replaced[site.name] = same.flatMap { replaced[$0.name] }
    }
    // As `patch` would decide without a profile, from what is known of this machine already.
    let cost = selection.only.isEmpty ? try CostModelFile.model(.remembered) : nil
    let gate = cost.map(CostGate.init)
    let sites = patcher.sites.map { site in
      let policy = replaced[site.name]
      let reason =
        policy == nil
        ? selection.reason(site) ?? gate?.reason(site, hasBias: patcher.needsBias(site), density: 1) : nil
      var report = SiteReport(site, reason: reason, replaced: policy != nil, policy: policy)
      if let match = patcher.adapter { report.addUsualGrids(site, match) }
      return report
    }
    var report = InspectReport(
      model: self.model, output: nil, adapter: patcher.adapter?.adapter.name, sites: sites)
    report.adapterReason = patcher.adapter?.reason
    report.warnings = patcher.warnings
    report.otherSoftmaxes = patcher.otherSoftmaxes.map(InspectReport.Other.init)
    return report
  }
}
