import AttentionPatterns
import CalibrationCore
import Foundation
import ONNXGraph
import SparseAttention

/// Patches a model file: finds the sites, replaces those that may be, checks that the way back works, and writes.
public struct PatchJob: Sendable {
  public struct Options: Sendable {
    public var model: String
    /// nil: beside the model, as `X.isa.onnx`.
    public var output: String?
    public var mode: Mode
    public var selection: SiteSelection
    /// As `--segments` gives them.
    public var segments: String?
    /// Name or file.
    public var adapter: String?
    public var externalData: ExternalDataPolicy
    /// A site that was asked for and stays makes the job end with `unmet`.
    public var strict: Bool
    /// Writes nothing.
    public var dryRun: Bool
    public var statistics: Bool
    /// Tools without the operator's library read the model too, and attend exactly.
    public var isPortable = false
    /// What sites that the original does faster are known from.
    public var cost: CostSource
    /// More entries for the model's metadata.
    public var metadata: [(key: String, value: String)] = []

    public init(
      model: String, output: String? = nil, mode: Mode = .exact, selection: SiteSelection = SiteSelection(),
      segments: String? = nil, adapter: String? = nil, externalData: ExternalDataPolicy = .keep, strict: Bool = false,
      dryRun: Bool = false, statistics: Bool = false, cost: CostSource = .none
    ) {
      self.model = model
      self.output = output
      self.mode = mode
      self.selection = selection
      self.segments = segments
      self.adapter = adapter
      self.externalData = externalData
      self.strict = strict
      self.dryRun = dryRun
      self.statistics = statistics
      self.cost = cost
    }
  }

  /// How the sites attend.
  public enum Mode: Sendable {
    /// All pairs token by token.
    case exact
    /// The published ratios.
    case paper
    /// A profile file, which has to be the model's.
    case profile(String)
    /// Policies by site, and what they are recorded as.
    case policies([String: SitePolicy], label: String)
  }

  public struct Outcome: Sendable {
    public var report: InspectReport
    public var status: ExitStatus
    public var seconds: Double
    /// What the user should know besides.
    public var notes: [String] = []
  }

  public var options: Options

  public init(_ options: Options) { self.options = options }

  /// `X.isa.onnx` for `X.onnx`.
  public static func defaultOutput(for model: String) -> String {
    (model.hasSuffix(".onnx") ? String(model.dropLast(5)) : model) + ".isa.onnx"
  }

  /// - Throws: `ToolError`: 66 no such model, 65 not a model, already patched, or segments that do not add up, 64 a
  ///   segment that cannot be read, 78 a profile or adapter that does not fit, 73 or 74 an output that cannot be written.
  public func run() throws(ToolError) -> Outcome {
    let start = ContinuousClock.now
    let output = options.output ?? Self.defaultOutput(for: options.model)
    let model: Model
    do throws(ModelError) { model = try Model.load(path: options.model) } catch { throw ToolError(error) }
    if PatchedModel.isPatched(model) {
      throw ToolError(
        "\(options.model) is patched already; give the original, which 'isa-patch restore' makes of a patched file "
          + "that nothing changed since.", .dataError)
    }
    if !options.dryRun { try files(model, output).check() }
    do throws(ModelError) { try model.checkExternalData() } catch { throw ToolError(error) }
    let digest = model.withBytes { SHA256.digest($0) }
    let choice = try choice(for: model, hash: SHA256.hexadecimal(digest))
    let policies = choice.policies
    if !options.dryRun { try AtomicFile.checkWritable(output) }
    let patcher = try Patcher(model, segments: options.segments, adapter: options.adapter)
    try Self.check(options.selection, patcher.sites)
    if let policies,
      let missing = policies.keys.sorted().first(where: { name in
        !patcher.sites.contains { $0.name == name }
      })
    {
      throw ToolError(CalibrationError.profileSiteMissing(missing))
    }
    var decisions: [String: (policy: SitePolicy?, reason: KeptReason?)] = [:]
    for site in patcher.sites { decisions[site.name] = try decision(site, policies, patcher) }
    var notes = [choice.note].compactMap(\.self)
    try keepFaster(patcher, choice, &decisions) { notes.append($0) }
    let chosen = Set(decisions.filter { $0.value.policy != nil }.keys)
    for (site, other) in SharedBodies.conflicts(patcher.sites, chosen: chosen) {
      decisions[site] = (nil, .sharedBody(other))
    }
    let treatments = decisions.compactMapValues { $0.policy.map { Treatment.attention($0) } }
    let missed = decisions.values.count { $0.reason != nil && $0.reason != .notSelected }
    let reports = patcher.sites.map { site in
      let (policy, reason) = decisions[site.name] ?? (nil, nil)
      return SiteReport(site, reason: reason, replaced: policy != nil, policy: policy)
    }
    var plan = PatchPlan(treatments: treatments, statistics: options.statistics)
    plan.isPortable = options.isPortable
    let bytes = try self.bytes(patcher, plan, digest: digest, choice)
    if !options.dryRun {
      let data = try ExternalData.provided(model, for: output, by: options.externalData)
      do throws(ToolError) { try AtomicFile.write(bytes, to: output) } catch {
        data.withdraw()
        throw error
      }
      data.keep()
    }
    var report = InspectReport(
      model: options.model, output: options.dryRun ? nil : output, adapter: patcher.adapter?.adapter.name, sites: [])
    report.sites = reports
    report.warnings = patcher.warnings
    let status: ExitStatus =
      report.replaced == 0 ? .nothingReplaced : options.strict && missed > 0 ? .unmet : .success
    return Outcome(
      report: report, status: status, seconds: (ContinuousClock.now - start) / .seconds(1), notes: notes)
  }

  private func files(_ model: Model, _ output: String) -> CommandFiles {
    var files = CommandFiles()
    files.read(options.model, "the model")
    if case .profile(let path) = options.mode { files.read(path, "the profile") }
    files.readAdapter(options.adapter)
    files.read(CostModelFile.given, "the cost model")
    // Where they stand, and where the patched model will have them.
    for path in [options.model, output] {
      files.read(ExternalData.paths(model, beside: path), "a file with the weights")
    }
    files.write(output, "the patched model")
    return files
  }

  /// A glob that names no site is a mistake of the user's.
  private static func check(_ selection: SiteSelection, _ sites: [Site]) throws(ToolError) {
    guard !sites.isEmpty else { return }
    for (option, globs) in [("--only", selection.only), ("--except", selection.except)] {
      for glob in globs where !sites.contains(where: { Glob.matches(glob, $0.name) }) {
        let names = sites.prefix(8).map(\.name).joined(separator: ", ")
        throw ToolError(
          "\(option) \(glob) names no site; the sites are \(names)\(sites.count > 8 ? ", …" : "").", .usage)
      }
    }
  }

  /// The file's bytes, with the way back checked.
  private func bytes(
    _ patcher: Patcher, _ plan: PatchPlan, digest: [UInt8], _ choice: Choice
  ) throws(ToolError) -> [UInt8] {
    guard !plan.treatments.isEmpty else { return patcher.model.withBytes { Array($0) } }
    let base = try patcher.patched(
      plan,
      metadata: [
        ("isa.version", Version.current), ("isa.profile", choice.label),
        ("isa.original_sha256", SHA256.hexadecimal(digest)),
      ] + choice.metadata + options.metadata)
    do throws(ModelError) {
      let patched = try patcher.model.withBytes { original throws(ModelError) in
        try RestoreDelta.patched(base: base, original: original, digest: digest, path: options.model)
      }
      // `restored` checks the SHA-256, which is the original's.
      _ = try RestoreDelta.restored(from: patched)
      return patched
    } catch {
      throw ToolError("The original could not be restored from what was made: \(error.message)", .softwareBug)
    }
  }

  /// What the mode asks for.
  private struct Choice {
    /// By site; nil: the same for all.
    var policies: [String: SitePolicy]?
    /// As the model records it: the mode, or the profile's SHA-256.
    var label: String
    /// Executed density of sparse policies, where it is known.
    var density: Double?
    var metadata: [(key: String, value: String)] = []
    var note: String?
  }

  private func choice(for model: Model, hash: String) throws(ToolError) -> Choice {
    switch options.mode {
    case .exact: return Choice(label: "exact")
    case .paper: return Choice(label: "paper")
    case .policies(let policies, let label): return Choice(policies: policies, label: label)
    case .profile(let path):
      let data = try InputFile.read(path)
      do throws(CalibrationError) {
        let profile = try Profile.decoded(data, file: path)
        // Fine-tuned siblings have the same graph.
        guard profile.modelHash == hash || profile.graphHash == GraphHash.of(model) else {
          throw .profileOfAnotherModel(profile: profile.modelHash, model: hash)
        }
        return Choice(
          policies: try profile.policies(), label: SHA256.hexadecimal(SHA256.digest(Array(data))),
          density: profile.qualities.first?.executedDensity,
          metadata: [(QualityDial.metadataKey, QualityDial(profile).text)],
          note: profile.modelHash == hash
            ? nil
            : "\(path) was calibrated with other weights of the same graph: its qualities were not measured on this "
              + "model; calibrate it to be sure.")
      } catch {
        throw ToolError(error)
      }
    }
  }

  private func decision(
    _ site: Site, _ policies: [String: SitePolicy]?, _ patcher: Patcher
  ) throws(ToolError) -> (policy: SitePolicy?, reason: KeptReason?) {
    if let reason = options.selection.reason(site) { return (nil, reason) }
    guard let attention = site.attention else { return (nil, site.reason) }
    let policy: SitePolicy
    if let policies {
      guard let given = policies[site.name] else { return (nil, .notInProfile) }
      guard given.points.allSatisfy({ $0.count == attention.heads }) else {
        throw ToolError(
          CalibrationError.profileDoesNotFit(site: site.name, reason: "the model's site has \(attention.heads) heads"))
      }
      policy = given
    } else if case .paper = options.mode {
      policy = .uniform(.paper, heads: attention.heads)
    } else {
      policy = .uniform(.exact, heads: attention.heads)
    }
    let isSparse = policy.points.contains { $0.contains { !$0.exact } }
    if isSparse, patcher.needsBias(site) { return (nil, .biasNeedsExact) }
    return (policy, nil)
  }

  /// Leaves what gains nothing by being replaced; `--only` overrides.
  private func keepFaster(
    _ patcher: Patcher, _ choice: Choice, _ decisions: inout [String: (policy: SitePolicy?, reason: KeptReason?)],
    note: (String) -> Void
  ) throws(ToolError) {
    guard options.selection.only.isEmpty, decisions.values.contains(where: { $0.policy != nil }) else { return }
    guard let model = try CostModelFile.model(options.cost, note: note) else { return }
    let gate = CostGate(model: model)
    for site in patcher.sites {
      guard let policy = decisions[site.name]?.policy else { continue }
      let isExact = policy.points.allSatisfy { $0.allSatisfy(\.exact) }
      if let reason = gate.reason(site, hasBias: patcher.needsBias(site), density: isExact ? 1 : choice.density) {
        decisions[site.name] = (nil, reason)
      }
    }
  }
}
