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
