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
    let original: Model
    do throws(ModelError) {
      let bytes = try loaded.withBytes { bytes throws(ModelError) in try RestoreDelta.restored(from: bytes) }
      original = try Model.load(bytes: bytes, path: model)
    } catch {
      throw ToolError(error)
    }
    return try report(original, policies: policies)
  }

  private func report(
    _ model: Model, policies: [(site: String, policy: SitePolicy)]?
  ) throws(ToolError) -> InspectReport {
    let patcher = try Patcher(model, segments: segments, adapter: adapter)
    let replaced = Dictionary((policies ?? []).map { ($0.site, $0.policy) }, uniquingKeysWith: { first, _ in first })
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
