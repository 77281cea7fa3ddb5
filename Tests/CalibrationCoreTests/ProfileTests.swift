import CalibrationCore
import Foundation
import SparseAttention
import Testing

@Suite struct ProfileTests {
  static func sample() -> Profile {
    let key = CaseKey(clip: "wolf.mp4", edit: 5, seed: 0)
    let measured = RungMeasurement(
      rung: 3, cases: [CaseMeasurement(key: key, psnr: 36.5, error: 0.01, executedDensity: 0.07, stepSeconds: 0.5)],
      complete: true)
    let ladder = ThresholdLadder()
    let policy = SitePolicy(
      tile: Grid(frames: 4, rows: 4, columns: 4),
      points: [
        [ladder.policy(3), ladder.policy(3), .exact], [.exact, .exact, .exact],
        [
          .paper, Policy(route: .threshold(0.5), select: .coverage(0.9), floor: 0.1, taylor: .second),
          Policy(taylor: .none),
        ],
      ])
    return Profile(
      tool: "0", machine: "m", modelHash: "ab", graphHash: "cd",
      recipe: .init(
        clips: [.init(name: "wolf.mp4", sha256: "00")], holdOut: [], edits: [5], seeds: [0], steps: 12, frames: 8,
        width: 128, height: 128, threads: 2, compute: "float32"),
      target: .init(kind: "psnr", value: 35, met: true), achieved: .init(measured, exactStepSeconds: 1), holdOut: nil,
      qualities: [
        .init(point: 0, threshold: 0.01, worstPSNR: 36.5, executedDensity: 0.07),
        .init(point: 1, threshold: nil, worstPSNR: nil, executedDensity: 1),
        .init(point: 2, threshold: 0.1, worstPSNR: 20, executedDensity: 0.2),
      ],
      sites: [.init(name: "blocks.0.attn", policy: policy)])
  }

  @Test func comesBackAsItWas() throws {
    let profile = Self.sample()
    let data = try profile.encoded()
    #expect(try Profile.decoded(data, file: "x") == profile)
    #expect(try Profile.decoded(data, file: "x").encoded() == data)
  }

  @Test func everyPolicySurvivesTheProfile() throws {
    let profile = Self.sample()
    let policies = try #require(try profile.policies()["blocks.0.attn"])
    #expect(policies.points[0] == [ThresholdLadder().policy(3), ThresholdLadder().policy(3), .exact])
    #expect(policies.points[2][0] == .paper)
    #expect(policies.tile == Grid(frames: 4, rows: 4, columns: 4))
  }

  @Test func saysWhichKeyIsMissing() throws {
    var text = String(decoding: try Self.sample().encoded(), as: UTF8.self)
    text = text.replacingOccurrences(of: "\"seeds\"", with: "\"seats\"")
    #expect(throws: CalibrationError.malformed(file: "p.json", reason: "key seeds is missing at recipe")) {
      try Profile.decoded(Data(text.utf8), file: "p.json")
    }
  }

  /// Each is legal JSON of the schema; the words are those of the message, which tells where.
  @Test(
    arguments: [
      (
        "\"context_keep\" : 0.125", "\"context_keep\" : 7",
        ["site blocks.0.attn", "point 2", "head 0", "context_keep is 7"]
      ),
      ("\"floor\" : 0.1", "\"floor\" : -1", ["point 2", "head 1", "floor is -1"]),
      ("\"value\" : 0.9", "\"value\" : 9", ["point 2", "head 1", "select's coverage is 9"]),
      ("\"value\" : 0.5", "\"value\" : -0.5", ["point 2", "route's"]),
      ("\"executed_density\" : 0.2", "\"executed_density\" : 20", ["quality 2", "executed_density is 20"]),
      ("\"point\" : 1", "\"point\" : 0", ["quality 1 is of point 0"]),
      ("\"mode\" : \"exact\"", "\"mode\" : \"dense\"", ["point 0", "head 2", "mode is dense"]),
      ("\"floor\" : 0.1,", "", ["point 2", "head 1", "floor is missing"]),
    ])
  func numbersOutOfRangeAreToldWithTheirPlace(_ old: String, _ new: String, _ words: [String]) throws {
    let text = String(decoding: try Self.sample().encoded(), as: UTF8.self)
    // Floats are written with all their digits.
    let plain = text.replacingOccurrences(of: "0.10000000149011612", with: "0.1").replacingOccurrences(
      of: "0.89999997615814209", with: "0.9")
    #expect(plain.contains(old), "\(plain)")
    let changed = plain.replacingOccurrences(of: old, with: new)
    let error = #expect(throws: CalibrationError.self) { try Profile.decoded(Data(changed.utf8), file: "p.json") }
    for word in words + ["p.json"] { #expect(error?.message.contains(word) == true, "\(error?.message ?? "")") }
  }

  @Test func aSiteTwiceAndAQualityMissingAreRefused() throws {
    var twice = Self.sample()
    twice.sites += twice.sites
    #expect(throws: CalibrationError.malformed(file: "p", reason: "site blocks.0.attn stands there twice")) {
      try Profile.decoded(try twice.encoded(), file: "p")
    }
    var missing = Self.sample()
    missing.qualities.removeLast()
    #expect(
      throws: CalibrationError.malformed(
        file: "p", reason: "site blocks.0.attn has 3 operating points and there are 2 qualities")
    ) { try Profile.decoded(try missing.encoded(), file: "p") }
    missing.qualities = []
    #expect(throws: CalibrationError.self) { try Profile.decoded(try missing.encoded(), file: "p") }
  }

  @Test func aDocumentOfAnotherKindIsToldByItsName() throws {
    let statistics = Data(#"{"schema": "isa-patch/statistics/1"}"#.utf8)
    let error = #expect(throws: CalibrationError.self) { try Profile.decoded(statistics, file: "m.isa.stats") }
    #expect(error?.message.contains("m.isa.stats holds statistics that calibrate measured, not a profile") == true)
    let other = #expect(throws: CalibrationError.self) {
      try StatisticsFile.decoded(try Self.sample().encoded(), file: "m.isa.json")
    }
    #expect(other?.message.contains("m.isa.json holds a profile") == true, "\(other?.message ?? "")")
  }

  @Test(
    arguments: [
      (Target.psnr(35), true), (.psnr(-5), false), (.psnr(0), false), (.psnr(.infinity), false), (.density(0.9), true),
      (.density(1), true), (.density(90), false), (.density(0), false), (.maxError(0.01), true), (.maxError(-1), false),
      (.speedup(2), true), (.speedup(.nan), false),
    ])
  func targetsHaveARange(_ target: Target, isPossible: Bool) {
    #expect((target.problem == nil) == isPossible)
  }

  @Test func aPercentageIsTold() {
    #expect(Target.density(90).problem?.contains("write 0.9 for 90 %") == true)
  }

  @Test func refusesAnotherSchemaAndNoJSON() throws {
    #expect(throws: CalibrationError.unsupportedSchema(file: "p", found: "isa-patch/profile/9")) {
      try Profile.decoded(Data(#"{"schema": "isa-patch/profile/9"}"#.utf8), file: "p")
    }
    let whole = try Self.sample().encoded()
    for length in stride(from: 0, to: whole.count - 2, by: 7) {
      #expect(throws: CalibrationError.self) { try Profile.decoded(whole.prefix(length), file: "p") }
    }
  }

  @Test func theDialTakesTheCheapestPointThatWasMeasuredToKeepAQuality() {
    let profile = Self.sample()
    #expect(profile.point(keeping: 30) == 0)
    #expect(profile.point(keeping: 40) == 1)
  }

  @Test func refusesPoliciesThatDoNotFit() throws {
    var profile = Self.sample()
    profile.sites[0].heads = 4
    #expect(throws: CalibrationError.self) { try profile.policies() }
    profile = Self.sample()
    profile.sites[0].blockQ = 63
    #expect(throws: CalibrationError.self) { try profile.policies() }
  }
}
