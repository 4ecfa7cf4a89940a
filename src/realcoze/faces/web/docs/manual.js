// Draws /openapi.json with Swagger UI, and says in the language of the browser what can be done here.

/* global SwaggerUIBundle */

const WORDS = {
  en: {
    title: "realcoze: the API",
    intro: "Every call of this server. To try one: Authorize, where the server has a key; then “Try it out” and “Execute”.",
  },
  zh: {
    title: "realcoze：接口文档",
    intro: "这个服务器的全部接口。试用方法：如果服务器设有密钥，先点 Authorize 填写；再点 “Try it out” 和 “Execute”。",
  },
};

const language = navigator.language.toLowerCase().startsWith("zh") ? "zh" : "en";
document.documentElement.lang = language;
document.title = WORDS[language].title;
document.querySelector("#intro").textContent = WORDS[language].intro;

SwaggerUIBundle({
  url: "openapi.json",
  dom_id: "#manual",
  validatorUrl: null,          // its badge would be asked of another host
  persistAuthorization: false, // the key is gone with the page
  defaultModelsExpandDepth: 0,
  displayRequestDuration: true,
  docExpansion: "list",
});
