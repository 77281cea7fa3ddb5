import CalibrationCore
import Foundation
import ISAPatch
import SparseAttention
import TestSupport
import Testing
import VideoPipeline

/// Profiles, statistics, recipes and adapters from strangers: each ends in a typed error or in a document whose numbers go
/// together, and none of them costs more than its size.
@Suite struct HostileDocumentTests {
  private static let key = CaseKey(clip: "a.mp4", edit: 1, seed: 0)
  private static let measured = RungMeasurement(
    rung: 4, cases: [CaseMeasurement(key: key, psnr: 36, error: 0.01, executedDensity: 0.1, stepSeconds: 1)],
    complete: true)
  private static let recipe = Profile.Recipe(
    clips: [.init(name: "a.mp4", sha256: "00")], holdOut: [], edits: [1], seeds: [0], steps: 2, frames: 4, width: 64,
    height: 64, threads: 2, compute: "float32")

  static func profile(sites: [Profile.SiteRecord]? = nil) -> Profile {
    let policy = SitePolicy(points: [[.exact, .paper], [.paper, .paper]])
    return Profile(
      tool: "0", machine: "m", modelHash: "ab", graphHash: "cd", recipe: recipe,
      target: .init(kind: "psnr", value: 35, met: true), achieved: .init(measured, exactStepSeconds: 1), holdOut: nil,
      qualities: [
        .init(point: 0, threshold: 0.01, worstPSNR: 36, executedDensity: 0.1),
        .init(point: 1, threshold: nil, worstPSNR: nil, executedDensity: 1),
      ],
      sites: sites ?? [.init(name: "/attn", policy: policy)])
  }

  static func statistics() -> StatisticsFile {
    var head = HeadStatistics(candidates: 2)
    head.add(squaredError: [0.1, 0.2], squaredNorm: 4, density: [0.5, 0.25])
    return StatisticsFile(
      tool: "0", machine: "m", modelHash: "ab", graphHash: "cd", recipe: recipe, ladder: ThresholdLadder(),
      exactError: 0, originalStepSeconds: 1, exactStepSeconds: 1,
      probe: ProbeStatistics(rungs: [0, 4], sites: ["/attn": [[head, head]]]), measured: [measured])
  }

  /// What calibration does with statistics, without a model.
  private func use(_ data: Data) throws {
    var statistics = try StatisticsFile.decoded(data, file: "s")
    var other = statistics
    other.recipe.clips = [.init(name: "other.mp4", sha256: "11")]
    try statistics.merge(other)
    for target in [Target.psnr(35), .maxError(0.1), .density(0.1), .speedup(2)] {
      let start = statistics.probe.start(for: target, exactStepSeconds: statistics.exactStepSeconds)
      let search = ScaleSearch(target: target, rungs: statistics.ladder.count, exactStepSeconds: 1)
      if case .measure(let rung) = search.next(statistics.measured, start: start) {
        #expect((0..<statistics.ladder.count).contains(rung))
      }
    }
    for rung in statistics.measured.compactMap(\.rung) { _ = statistics.ladder.policy(rung) }
  }

  private func usePolicies(_ data: Data) throws { _ = try Profile.decoded(data, file: "p").policies() }

  /// Every cut, and bytes changed at random but the same on every run.
  private func damage(_ whole: Data, _ use: (Data) throws -> Void) {
    var errors = 0
    func attempt(_ data: Data) {
      do { try use(data) } catch {
        errors += 1
        #expect(error is CalibrationError, "\(error)")
        #expect(!((error as? CalibrationError)?.message.isEmpty ?? true))
      }
    }
    for length in stride(from: 0, to: whole.count - 1, by: 3) { attempt(whole.prefix(length)) }
    #expect(errors == (whole.count + 1) / 3)
    var state: UInt64 = 0x2545_f491_4f6c_dd1d
    for position in stride(from: 0, to: whole.count, by: 2) {
      state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
      var changed = whole
      changed[position] = UInt8(truncatingIfNeeded: state >> 33) & 0x7f
      attempt(changed)
      // A digit for a digit: other numbers, legal JSON.
      if (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(whole[position]) {
        changed[position] = UInt8(ascii: "0") + UInt8((state >> 40) % 10)
        attempt(changed)
        attempt(whole[..<position] + Data("99999999".utf8) + whole[(position + 1)...])
      }
    }
  }

  @Test func damagedProfilesEnd() throws { damage(try Self.profile().encoded(), usePolicies) }
  @Test func damagedStatisticsEnd() throws { damage(try Self.statistics().encoded(), use) }

  private func profile(_ old: String, _ new: String) throws -> Data {
    let text = String(decoding: try Self.profile().encoded(), as: UTF8.self)
    #expect(text.contains(old))
    return Data(text.replacingOccurrences(of: old, with: new).utf8)
  }

  @Test func unknownKeysHaveALine() throws {
    let data = try profile("\"name\" : \"/attn\",", "\"name\" : \"/attn\",\n      \"command\" : \"rm\",")
    let line = String(decoding: data, as: UTF8.self).components(separatedBy: "\n").firstIndex { $0.contains("rm") } ?? -1
    #expect(throws: CalibrationError.malformed(file: "p", reason: "line \(line + 1): key command is not known")) {
      try usePolicies(data)
    }
    // Nothing where nothing is asked for is no surprise.
    try usePolicies(try profile("\"name\" : \"/attn\",", "\"name\" : \"/attn\", \"tile\" : null,"))
  }

  @Test(arguments: ["1099511627776", "9223372036854775807", "0", "-1"]) func headsThatNoModelHas(count: String) throws {
    #expect(throws: CalibrationError.self) { try usePolicies(try profile("\"heads\" : 2", "\"heads\" : \(count)")) }
    #expect(throws: CalibrationError.self) { try usePolicies(try profile("\"heads\" : 1", "\"heads\" : \(count)")) }
  }

  @Test func fewLinesThatMakeALargeTable() throws {
    var sites = Self.profile().sites
    var run = sites[0].points[0][0]
    run.heads = 16_384
    sites[0].heads = 16_384
    sites[0].points = Array(
      repeating: [run], count: 10_000)
    #expect(throws: CalibrationError.self) { try Self.profile(sites: sites).policies() }
  }

  @Test func deepNesting() {
    for depth in [600, 100_000] {
      let open = String(repeating: "[", count: depth)
      for text in [open, "{\"schema\": \"isa-patch/profile/1\", \"sites\": \(open)"] {
        #expect(throws: CalibrationError.self) { try usePolicies(Data(text.utf8)) }
        #expect(throws: YAMLSchemaError.self) { _ = try YAMLValue.document(text, file: "y").array() }
      }
    }
  }

  @Test func aMappingOfAMillionBytes() {
    let text = (0..<60_000).map { "k\($0): 1\n" }.joined()
    #expect(throws: YAMLSchemaError.self) {
      let document = try YAMLValue.document(text, file: "y")
      #expect(try document.entries().count == 60_000)
      _ = try document.object(required: ["schema"])
    }
    #expect(throws: YAMLSchemaError.self) { try YAMLValue.document(text + text + text, file: "y") }
  }

  @Test(arguments: ["\"rung\":4", "\"rungs\":[0,4]", "\"count\":97", "\"squared_error\":[0.1,0.2]", "\"samples\":1"])
  func statisticsThatDoNotGoTogether(part: String) throws {
    let text = String(decoding: try Self.statistics().encoded(), as: UTF8.self)
    #expect(text.contains(part))
    let name = part.prefix { $0 != ":" }
    for value in part.contains("[") ? ["[]", "[0]", "[0,1,2]", "[9223372036854775807,0]"] : ["-1", "9223372036854775807"] {
      if name == "\"squared_error\"", value.contains("9223") { continue }
      let changed = text.replacingOccurrences(of: part, with: "\(name):\(value)")
      #expect(throws: CalibrationError.self, "\(changed)") { try use(Data(changed.utf8)) }
    }
  }

  /// A pipe would wait for a writer, and a device never ends.
  @Test func filesThatAreNone() throws {
    let folder = try Folder()
    let model = try folder.write("m.onnx", AttentionModel().model.bytes)
    #expect(mkfifo("\(folder.path)/pipe.yaml", 0o600) == 0)
    for path in ["/dev/zero", "\(folder.path)/pipe.yaml", folder.path] {
      let profile = failure { _ = try PatchJob(.init(model: model, mode: .profile(path))).run() }
      #expect(profile?.status == .dataError)
      #expect(failure { _ = try Recipe.read(path) }?.status == .dataError)
      let adapter = failure { _ = try PatchJob(.init(model: model, adapter: path)).run() }
      #expect(adapter?.status == .configuration)
    }
    #expect(folder.contents == ["m.onnx", "pipe.yaml"])
    #expect(failure { _ = try Recipe.read("\(folder.path)/none.yaml") }?.status == .noInput)
  }

  /// Names from files must not break the line, nor change the terminal.
  @Test func messagesAreOneLine() {
    let error = ToolError("a\nb\u{1b}[31m\u{9b}c\u{2028}" + String(repeating: "x", count: 100_000), .dataError)
    #expect(error.message.hasPrefix("a?b?[31m?c?x"))
    #expect(error.message.count <= 2001)
  }
}
